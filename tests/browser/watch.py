"""A page that remembers everything a browser complains about."""

from playwright.sync_api import ConsoleMessage, Page, Request

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) => {
  reportViolation(`${violatedDirective} ${blockedURI} ${sourceFile}:${lineNumber}`);
});
"""


def watch(page: Page, complaints: list[str] | None = None) -> list[str]:
    """A list that fills with violations of the content security policy, console and script errors, failed loads."""
    heard: list[str] = [] if complaints is None else complaints

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            heard.append(f"{page.url}: console: {message.text}")

    def failed(request: Request) -> None:
        # No failures: leaving a page while it still loads; a page that was not to be kept, and was not.
        if request.failure not in ("net::ERR_ABORTED", "net::ERR_CACHE_MISS"):
            heard.append(f"{page.url}: load: {request.url} {request.failure}")

    page.expose_function("reportViolation", lambda text: heard.append(f"{page.url}: policy: {text}"))
    page.add_init_script(REPORT_VIOLATIONS)
    page.on("console", console)
    page.on("pageerror", lambda error: heard.append(f"{page.url}: script: {error}"))
    page.on("requestfailed", failed)
    return heard
