/* Renews what a deployment's page says of its state, so that an operator sees it drain. */

const url = document.currentScript.dataset.url;
const SECONDS = 2;

async function renew() {
  if (document.hidden) return;
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const fresh of page.querySelectorAll("[data-field]")) {
    const shown = document.querySelector(`.hanse-now .field-${fresh.dataset.field} .readonly`);
    if (shown && shown.innerHTML.trim() !== fresh.innerHTML.trim()) shown.innerHTML = fresh.innerHTML;
  }
}

setInterval(() => renew().catch(() => {}), SECONDS * 1000);
