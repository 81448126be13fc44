"""A page that remembers everything a browser complains about."""

from playwright.sync_api import ConsoleMessage, Page

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) => {
  reportViolation(`${violatedDirective} ${blockedURI} ${sourceFile}:${lineNumber}`);
});
"""


def watch(page: Page) -> list[str]:
    """A list that fills with violations of the content security policy, console and script errors, failed loads."""
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"{page.url}: console: {message.text}")

    page.expose_function("reportViolation", lambda text: complaints.append(f"{page.url}: policy: {text}"))
    page.add_init_script(REPORT_VIOLATIONS)
    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: script: {error}"))
    page.on("requestfailed", lambda request: complaints.append(f"{page.url}: load: {request.url} {request.failure}"))
    return complaints
