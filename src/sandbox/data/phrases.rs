//! What visitors and agents write, and where visitors come from: JSON text, partly raw UTF-8 and partly escaped.

/// What visitors write.
pub const QUESTIONS: &[&str] = &[
    "Hi!",
    "hello, is anybody there?",
    "My parcel has not arrived yet, the tracking page says \\\"in transit\\\" since Monday.",
    "Guten Tag, ich möchte meine Rechnung noch einmal als PDF erhalten.",
    "Can I change the delivery address after I have paid?",
    "¿Tienen esta chaqueta en la talla M? No la encuentro en la tienda.",
    "ok",
    "thanks a lot \\ud83d\\ude4f",
    "Bonjour, le code promo ne fonctionne pas \\u00e0 la caisse.",
    "注文をキャンセルしたいのですが、どうすればいいですか?",
    "I was charged twice for order 1002348, please have a look.",
    "それで大丈夫です。ありがとう 😊",
    "The page shows an error:\\n500 Internal Server Error\\nWhat can I do?",
    "Do you ship to Norway?",
    "\\u4f60\\u597d\\uff0c\\u6211\\u7684\\u8ba2\\u5355\\u5728\\u54ea\\u91cc\\uff1f",
    "Is there a discount for schools? We would need about 120 licences by the end of the quarter.",
    "Já tentei reiniciar, mas o aplicativo fecha sozinho.",
    "My e-mail is visitor@example.com",
    "👍🏽",
    "https:\\/\\/shop.example.com\\/basket?id=4711&step=2",
];

/// What agents write.
pub const ANSWERS: &[&str] = &[
    "Hello, thank you for contacting us. How can I help you today?",
    "Let me have a look, one moment please.",
    "I have sent the invoice to your e-mail address again. Please also check your spam folder.",
    "Das habe ich für Sie geändert. Kann ich sonst noch etwas für Sie tun?",
    "Could you tell me your order number, please? You find it at the top of the confirmation e-mail.",
    "Je vous en prie \\ud83d\\ude42 Bonne journ\\u00e9e !",
    "Your parcel left our warehouse this morning and should be with you within two working days.",
    "申し訳ございません。ただいま確認いたします。",
    "I am afraid that size is out of stock; we expect it back next week.",
    "Sure, done! ✅",
    "The amount was refunded to your card. Depending on your bank it takes three to five days.",
    "I will pass you on to a colleague from the right department.",
    "Is there anything else?",
    "Muchas gracias por su paciencia.",
    "Please clear your browser's cache (Ctrl+Shift+R) and try once more.",
    "Thank you for chatting with us. Goodbye!",
];

/// Messages that visitors leave when no agent is online.
pub const NOTES: &[&str] = &[
    "Hi there!",
    "Please call me back, I am at work until 5 pm. It is about the contract that ends next month; I would like to renew it for a year but with fewer seats.",
    "Ihre Öffnungszeiten stimmen nicht: es ist 10 Uhr und niemand da.",
    "返品したい商品があります。送り先の住所を教えてください。",
    "Je n'arrive pas \\u00e0 me connecter.\\n\\nMerci,\\nZo\\u00e9",
    "Where is my order?? \\ud83d\\ude21\\ud83d\\ude21",
];

/// Comments of visitors on chats.
pub const COMMENTS: &[&str] = &[
    "Great help!",
    "Very slow.",
    "Sehr freundlich, danke",
    "\\u2b50\\u2b50\\u2b50",
    "助かりました",
    "Did not solve it",
];

/// Tags of chats.
pub const TAGS: &[&str] =
    &["billing", "refund", "vip", "lead", "shipping", "bug", "zurück", "返品", "caf\\u00e9", "follow-up", "school"];

/// A visitor; every field is JSON text.
pub struct Visitor {
    /// The members of `visitor` before the name.
    pub contact: &'static str,
    /// The name.
    pub name: &'static str,
    /// The e-mail address.
    pub email: &'static str,
}

/// The visitors.
pub const VISITORS: &[Visitor] = &[
    visitor(r#""phone":"+32178763521","notes":"Test 2""#, "Jiny", "visitor_jiny@doe.com"),
    visitor(r#""phone":"","notes":"""#, "Visitor 57218311", ""),
    visitor(r#""phone":"","notes":"""#, "Visitor 94027716", ""),
    visitor(r#""phone":"","notes":"asks for Björn""#, "José Ñáñez", "jose@example.com"),
    visitor(r#""phone":"+81 3 1234 5678","notes":"""#, "山田太郎", "yamada@example.jp"),
    visitor(r#""phone":"","notes":"paid \u20ac 40""#, r"Zo\u00eb \ud83c\udf3b", "zoe@example.org"),
    visitor(r#""phone":"5060","notes":"""#, r#"O'Neill, \"Bob\""#, "bob@example.com"),
    visitor(r#""phone":"","notes":"line one\nline two\ttab""#, "Łucja Żółć", "lucja@example.pl"),
];

/// The name of a visitor who has not given one yet.
pub const UNNAMED: &str = "Visitor 40718265";

const fn visitor(contact: &'static str, name: &'static str, email: &'static str) -> Visitor {
    Visitor { contact, name, email }
}

/// Where visitors are: members of `session`.
pub const PLACES: &[&str] = &[
    r#""city":"Orlando","country_code":"US","country_name":"United States","region":"Florida""#,
    r#""city":"Zürich","country_code":"CH","country_name":"Switzerland","region":"Zürich""#,
    r#""city":"S\u00e3o Paulo","country_code":"BR","country_name":"Brazil","region":"Sao Paulo""#,
    r#""city":"大阪","country_code":"JP","country_name":"Japan","region":"Ōsaka""#,
    r#""city":null,"country_code":"DE","country_name":"Germany","region":null"#,
    r#""city":"","country_code":"","country_name":"","region":"""#,
];

/// Browsers and platforms of visitors: members of `session`.
pub const BROWSERS: &[&str] = &[
    r#""browser":"Safari","platform":"Mac OS","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_10) AppleWebKit/600.1.25 (KHTML, like Gecko) Version/8.0 Safari/600.1.25""#,
    r#""browser":"Chrome","platform":"Windows","user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36""#,
    r#""browser":"Firefox","platform":"Linux","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0""#,
    r#""browser":"Chrome","platform":"Android","user_agent":"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36""#,
];

/// Pages of the shop: address and title.
pub const PAGES: &[(&str, &str)] = &[
    ("https://shop.example.com/", "Example Shop"),
    ("https://shop.example.com/basket", "Your basket \\u2013 Example Shop"),
    ("https://shop.example.com/de/hilfe?frage=r%C3%BCckgabe", "Hilfe & Rückgabe"),
    ("http://shop.example.com/products/4711-blue-jacket-with-a-hood", "Blue jacket with a hood | Example Shop"),
    ("https:\\/\\/shop.example.com\\/contact", "Kontakt"),
    ("https://shop.example.com/ja/cart", "カート"),
];

/// Search engines that led visitors here, with the search terms.
pub const REFERRERS: &[&str] = &[
    r#""referrer_search_engine":"Google","referrer_search_terms":"blue jacket""#,
    r#""referrer_search_engine":"Bing","referrer_search_terms":"j\u00e4cka bl\u00e5""#,
];
