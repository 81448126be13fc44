// Copies the text of the element that a button names: <button type="button" data-copy="id-of-the-element" hidden>Copy</button>.
// Without JavaScript the button stays hidden and the text is selected by hand.
"use strict";
(() => {
  const select = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };

  const copy = async (element) => {
    try {
      // Only on https and on localhost; elsewhere there is no clipboard.
      await navigator.clipboard.writeText(element.textContent.trim());
      return true;
    } catch {
      select(element);
      return document.execCommand("copy");
    }
  };

  for (const button of document.querySelectorAll("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    if (!source) continue;
    const label = button.textContent;
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      button.textContent = (await copy(source)) ? "Copied" : "Press Ctrl+C to copy";
      setTimeout(() => {
        button.textContent = label;
      }, 3000);
    });
  }
})();
