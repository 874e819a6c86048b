//! `login`: gets a token for the account, and writes a configuration that holds it.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::time::timeout;
use tracing::{info, warn};

use super::{Account, Context, check};
use crate::access::document::Document;
use crate::access::oauth::{self, Consent, Grant, Issued, Registration, Response};
use crate::access::origin::{Origin, Subdomain};
use crate::access::token_store;
use crate::atomic_file::{self, Readers, Replacement};
use crate::cli::{Flow, LoginArgs};
use crate::client::{Access, Client};
use crate::config::{Config, Environment};
use crate::error::{Error, Kind};
use crate::json::Malformed;
use crate::source::streams;
use crate::source::walk::{Bounds, Walk};
use crate::wire::Body;

mod browser;
mod loopback;
mod page;
mod status;

use loopback::{Brought, Loopback};
use page::Page;

/// How long a user may take to allow the client access.
const PATIENCE: Duration = Duration::from_mins(15);

/// Signs in, or describes how a configuration signs in.
pub(super) async fn run(args: &LoginArgs, context: &Context) -> Result<(), Error> {
    if args.status {
        return status::run(&args.config, context).await;
    }
    let (Some(subdomain), Some(id)) = (&args.subdomain, &args.client_id) else {
        return Err(Error::new(Kind::Flags, "`--subdomain` and `--client-id` say whose account it is"));
    };
    let subdomain = Subdomain::parse(subdomain)?;
    let path = atomic_file::behind_links(&args.config_out).map_err(|error| unwritable(&args.config_out, error))?;
    let document = prepared(&args.config_out, &path, args.overwrite).await?;
    let base = args.base_url.as_deref().or_else(|| document.members().get("base_url").and_then(Value::as_str));
    let origin = Origin::of(base, &subdomain)?;
    let client = Registration { id: id.trim().to_owned(), secret: secret(args, context).await? };
    let asking = SigningIn { args, context, path, subdomain, client };
    let door = asking.door(&origin, Access::default())?;
    let (issued, document) = match args.flow {
        Flow::ClientCredentials => {
            let issued = door.grant(&asking.client, &Grant::ClientCredentials { scope: &args.scope }).await?;
            let document = asking.keep(None).await?;
            (issued, document)
        }
        Flow::Code | Flow::Implicit => asking.by_browser(&door, &origin).await?,
    };
    asking.conclude(&document, &issued).await
}

/// A sign-in under way, by a user or by the client itself.
struct SigningIn<'a> {
    args: &'a LoginArgs,
    context: &'a Context,
    path: PathBuf,
    subdomain: Subdomain,
    client: Registration,
}

impl SigningIn<'_> {
    /// A client of the account.
    fn door(&self, origin: &Origin, access: Access) -> Result<Client, Error> {
        let api = crate::client::Api {
            origin: origin.clone(),
            access,
            secrets: self.context.secrets.clone(),
            requests_per_minute: 60.0,
            concurrency: 1,
            attended: true,
        };
        Client::new(api, self.context.clock.clone())
    }

    /// Sends the browser to the consent page, and stores the token that this yields.
    async fn by_browser(&self, door: &Client, origin: &Origin) -> Result<(Issued, Document), Error> {
        let response = if self.args.flow == Flow::Code { Response::Code } else { Response::Token };
        let (state, verifier) = (oauth::unguessable()?, oauth::unguessable()?);
        // The account or the browser may repeat these secrets in an error message, so they are redacted.
        for secret in [&state, &verifier] {
            self.context.secrets.keep(secret);
        }
        let mut loopback = Loopback::open(self.args.port, response, &state).await?;
        let redirect = loopback.redirect().to_owned();
        let ask = Consent {
            client: &self.client,
            response,
            redirect: &redirect,
            scope: &self.args.scope,
            state: &state,
            verifier: &verifier,
        };
        self.send(&ask.url(origin.url()));
        let callback = timeout(PATIENCE, loopback.callback()).await;
        let callback = callback.map_err(|_| {
            let minutes = PATIENCE.as_secs() / 60;
            Error::new(Kind::SignIn, format!("Nobody allowed the sign-in within {minutes} minutes"))
        })??;
        let issued = match callback.brought {
            Ok(Brought::Code(code)) => {
                self.context.secrets.keep(&code);
                let grant =
                    Grant::Code { code: &code, redirect: &redirect, verifier: &verifier, scope: &self.args.scope };
                door.grant(&self.client, &grant).await
            }
            Ok(Brought::Token(issued)) => {
                self.context.secrets.keep(&issued.access);
                Ok(issued)
            }
            Err(refusal) => Err(refusal),
        };
        let kept = match issued {
            Ok(issued) => self.keep(Some(&issued)).await.map(|document| (issued, document)),
            Err(error) => Err(error),
        };
        // The browser shows the result before the program goes on or ends.
        let page = match &kept {
            Ok(_) => Page::signed_in(),
            Err(error) => Page::failed(&self.context.secrets.hide(&error.to_string())),
        };
        loopback.close(callback.answer, page).await;
        kept
    }

    /// Prints the address, and opens it in the user's browser.
    fn send(&self, url: &url::Url) {
        self.context.screen.line(&format!(
            "Open this address in the browser in which you are an administrator of Zendesk Chat:\n\n  {url}\n"
        ));
        if self.args.no_browser {
            return;
        }
        if let Err(error) = browser::open(url, self.args.client_secret_env.as_deref()) {
            warn!("no browser could be opened: {error}");
        }
    }

    /// Writes the configuration, and returns it.
    async fn keep(&self, issued: Option<&Issued>) -> Result<Document, Error> {
        let method = match self.args.flow {
            Flow::Code => "oauth2.0",
            Flow::Implicit => "access_token",
            Flow::ClientCredentials => "client_credentials",
        };
        let mut credentials = Map::new();
        credentials.insert("credentials".to_owned(), method.into());
        if self.args.flow != Flow::Implicit {
            credentials.insert("client_id".to_owned(), self.client.id.clone().into());
            let secret = self.client.secret.as_ref().map(|secret| Value::from(secret.expose_secret()));
            credentials.extend(secret.map(|secret| ("client_secret".to_owned(), secret)));
        }
        let name = &self.args.config_out;
        free(name, self.args.overwrite)?;
        // The file is read again under its lock: only its present content counts, and a run that is renewing a token
        // would otherwise overwrite the change.
        let _lock = lock(&self.path).await?;
        let mut document = read(name, &self.path)?;
        document.set("subdomain", self.subdomain.to_string());
        if let Some(base) = &self.args.base_url {
            document.set("base_url", base.as_str());
        }
        document.set("credentials", credentials);
        if let Some(issued) = issued {
            document.put(issued, self.context.clock.now());
        }
        atomic_file::replace(&self.path, &document.text(), Readers::Owner).map_err(|error| unwritable(name, error))?;
        Ok(document)
    }

    /// Checks the new credentials, and prints the next step.
    async fn conclude(&self, document: &Document, issued: &Issued) -> Result<(), Error> {
        if self.args.print_token {
            let line = format!("{}\n", issued.access.expose_secret());
            self.context.stdout.write(line.into_bytes()).await?;
        }
        let path = self.args.config_out.display();
        let private = if cfg!(unix) { ", which only you can read" } else { "" };
        info!("the configuration is in {path}{private}");
        if self.args.flow == Flow::Code && issued.refresh.is_none() && issued.lifetime.is_some() {
            warn!("this account gives no refresh token: when the access token dies, `login` is needed again");
        }
        let config = Config::of(document, &Environment::default())?;
        let client = self.context.client(&config, Access::from(issued.access.clone()))?;
        let account = Account { config, client, sandbox: None };
        check::verdict(&account, self.context).await?;
        let who = described(&account).await.map(|account| format!(" ({account})")).unwrap_or_default();
        let name = &account.config.subdomain;
        let next = format!(
            "Signed in to {name}{who}. Go on with:\n\n  source-zendesk-chat dump --config {path} --out zendesk-lake\n"
        );
        self.context.screen.line(&next);
        Ok(())
    }
}

/// The configuration to begin with. Checks that the result can be written before the user is asked for anything.
async fn prepared(name: &Path, path: &Path, overwrite: bool) -> Result<Document, Error> {
    free(name, overwrite)?;
    let _lock = lock(path).await?;
    Replacement::open(path, 0, Readers::Owner).map_err(|error| unwritable(name, error))?;
    read(name, path)
}

/// The configuration in a file, or an empty one if the file does not exist.
fn read(name: &Path, path: &Path) -> Result<Document, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Document::parse(&text).map_err(|error| error.at(&name.display().to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Document::default()),
        Err(error) => Err(unwritable(name, error)),
    }
}

/// Locks an existing configuration, since a run may be renewing its tokens.
async fn lock(path: &Path) -> Result<Option<File>, Error> {
    Ok(if path.exists() { Some(token_store::lock(path).await?) } else { None })
}

/// Refuses to overwrite an existing file without `--overwrite`.
fn free(path: &Path, overwrite: bool) -> Result<(), Error> {
    // A link to a file that does not exist yet counts as a new file.
    if overwrite || !path.try_exists().unwrap_or(true) {
        return Ok(());
    }
    let path = path.display();
    let problem = format!("{path} exists: `--overwrite` puts the new credentials into it and leaves the rest as it is");
    Err(Error::new(Kind::Flags, problem))
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Output, format!("The configuration {} cannot be written", path.display())).because(error)
}

/// The client's secret, from the environment or typed at the terminal. A public client may have none.
async fn secret(args: &LoginArgs, context: &Context) -> Result<Option<SecretString>, Error> {
    let secret = if let Some(name) = &args.client_secret_env {
        let secret = std::env::var(name).ok().filter(|secret| !secret.is_empty());
        let missing = || Error::new(Kind::Flags, format!("The environment variable {name} holds no client secret"));
        Some(secret.ok_or_else(missing)?)
    } else if let Some(secret) = context.environment.client_secret.as_ref().filter(|_| args.flow != Flow::Implicit) {
        Some(secret.expose_secret().to_owned())
    } else if args.flow != Flow::Implicit && io::stdin().is_terminal() && io::stderr().is_terminal() {
        prompted().await?
    } else {
        None
    };
    let secret = secret.map(|secret| SecretString::from(secret.trim()));
    if secret.is_none() && args.flow == Flow::ClientCredentials {
        let problem = "Client credentials need the client's secret: set ZENDESK_CHAT_CLIENT_SECRET, or name another variable with `--client-secret-env`";
        return Err(Error::new(Kind::Flags, problem));
    }
    if let Some(secret) = &secret {
        context.secrets.keep(secret);
    }
    Ok(secret)
}

/// A secret typed without being shown; none if nothing is typed.
async fn prompted() -> Result<Option<String>, Error> {
    let typed = tokio::task::spawn_blocking(|| {
        let terminal = console::Term::stderr();
        terminal.write_str("Client secret, not shown (none: press Enter): ")?;
        terminal.read_secure_line()
    });
    let failed = |error: io::Error| Error::new(Kind::Flags, "The client secret cannot be asked for").because(error);
    let typed = typed.await.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)?;
    Ok(Some(typed).filter(|typed| !typed.trim().is_empty()))
}

/// The company and the plan of the account, if the token may read them.
async fn described(account: &Account) -> Option<String> {
    let bounds = Bounds { start: 0, end: None, lookback: 0, chats_lookback: 0 };
    let asked = Walk::new(streams::named("accounts")?, &bounds, None).next()?;
    let parse =
        |body: Body| serde_json::from_slice(&body.into_parts().0).map_err(|_| Malformed("it is not JSON".to_owned()));
    let answer: Value = account.client.fetch(&asked.request, None, &|_| (), parse).await.ok()?.value;
    let text = |place: &str| {
        let text: String = answer.pointer(place)?.as_str()?.chars().filter(|c| !c.is_control()).take(80).collect();
        Some(text).filter(|text| !text.is_empty())
    };
    let plan = text("/plan/name").map(|plan| format!("plan {plan}"));
    let words: Vec<String> = [text("/billing/company"), plan].into_iter().flatten().collect();
    Some(words.join(", ")).filter(|words| !words.is_empty())
}
