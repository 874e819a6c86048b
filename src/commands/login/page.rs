//! The pages that the browser shows after it is redirected.

/// The content of a page: a title and its explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status of the response.
    pub status: u16,
    /// Whether the page reports success.
    pub good: bool,
    /// The title.
    pub title: String,
    /// The explanation.
    pub text: String,
}

impl Page {
    fn of(status: u16, title: &str, text: &str) -> Self {
        Self { status, good: status == 200, title: title.to_owned(), text: text.to_owned() }
    }

    /// The sign-in succeeded.
    pub fn signed_in() -> Self {
        Self::of(200, "You are signed in", "You can close this tab and go back to the terminal.")
    }

    /// The sign-in failed.
    pub fn failed(problem: &str) -> Self {
        let text = format!("{problem}. You can close this tab; the terminal says what to do.");
        Self::of(400, "You are not signed in", &text)
    }

    /// The response does not belong to this sign-in.
    pub fn unasked() -> Self {
        let text = "This is not the answer to what source-zendesk-chat asked, and nothing was done with it. It goes on waiting: use the address that stands in the terminal.";
        Self::of(400, "Nothing was done", text)
    }

    /// Another response came before this one.
    pub fn again() -> Self {
        let text = "An answer has come before this one, and only the first counts. You can close this tab.";
        Self::of(409, "Nothing was done", text)
    }

    /// There is no page at this address.
    pub fn nothing() -> Self {
        Self::of(404, "There is nothing here", "source-zendesk-chat waits for the answer of Zendesk's page.")
    }

    /// The page as HTML. `nonce` admits its own style and script, and no other.
    pub fn html(&self, nonce: &str) -> String {
        document(&self.title, &self.text, self.good, nonce, "history.replaceState(null,'','/');")
    }

    /// The page as JSON, for the script of the handover page.
    pub fn json(&self) -> String {
        serde_json::json!({ "good": self.good, "title": self.title, "text": self.text }).to_string()
    }
}

/// The page whose script posts the URL fragment, which only the browser sees, and removes it from the address and the
/// history.
pub fn handover(nonce: &str) -> String {
    let script = "const fragment=location.hash.slice(1);history.replaceState(null,'','/');\
        const show=page=>{document.title=page.title;document.querySelector('h1').textContent=page.title;\
        document.querySelector('p').textContent=page.text;document.body.className=page.good?'good':'bad';};\
        fetch('/token',{method:'POST',body:fragment}).then(answer=>answer.json()).then(show)\
        .catch(()=>show({good:false,title:'You are not signed in',text:'source-zendesk-chat does not answer any more: look at the terminal.'}));";
    document("One moment", "Handing over to the terminal …", true, nonce, script)
}

fn document(title: &str, text: &str, good: bool, nonce: &str, script: &str) -> String {
    let (title, text) = (escaped(title), escaped(text));
    let class = if good { "good" } else { "bad" };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\"><title>{title}</title><style nonce=\"{nonce}\">\
         :root{{color-scheme:light dark}}\
         body{{font:17px/1.6 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;margin:0;\
         background:light-dark(#f5f6f7,#17191c);color:light-dark(#1f2328,#e6e8ea)}}\
         main{{max-width:26rem;margin:1rem;padding:2rem 2.4rem;border-radius:12px;border-top:6px solid #1f8a4c;\
         background:light-dark(#fff,#22262b);box-shadow:0 2px 14px rgb(0 0 0/.12)}}\
         .bad main{{border-color:#c4352b}}h1{{font-size:1.4rem;margin:0 0 .6rem}}p{{margin:0;overflow-wrap:anywhere}}\
         small{{display:block;margin-top:1.6rem;opacity:.6}}</style></head>\
         <body class=\"{class}\"><main><h1>{title}</h1><p>{text}</p><small>source-zendesk-chat</small></main>\
         <script nonce=\"{nonce}\">{script}</script></body></html>\n"
    )
}

/// A text escaped for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_says_is_text() {
        let page = Page::failed("it said <script>alert(1)</script> & \"more\"").html("n");
        assert!(
            page.contains("it said &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;. You can"),
            "{page}"
        );
        assert_eq!(page.matches("<script").count(), 1);
    }
}
