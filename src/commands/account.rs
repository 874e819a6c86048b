//! Access to an account: the configuration that the flags name, and a client with its credentials.

use std::path::Path;

use tracing::{info, warn};

use super::{Context, read_file, sandbox, spec};
use crate::access::document::Document;
use crate::access::token_store::TokenStore;
use crate::cli::AccountArgs;
use crate::client::{Access, Api, Client, Renewal};
use crate::config::{Config, Credentials, Environment, unknown};
use crate::error::{Error, Kind};
use crate::sandbox::Sandbox;
use crate::stdout::Stdout;

/// Where renewed tokens are stored.
pub(super) struct TokenPlaces<'a> {
    /// The configuration file, if it may be changed.
    pub(super) file: Option<&'a Path>,
    /// Stdout, if its reader stores configurations.
    pub(super) stdout: Option<Stdout>,
}

/// An account with its configuration and client, and the embedded sandbox if that serves it.
pub(super) struct Account {
    pub(super) config: Config,
    pub(super) client: Client,
    pub(super) sandbox: Option<Sandbox>,
}

impl Context {
    /// The configuration in the file that the flags name.
    pub(super) fn config(&self, path: &Path) -> Result<(Document, Config), Error> {
        self.parse(&read_file(path, Kind::ConfigFile, "configuration")?, &self.environment)
    }

    pub(super) fn parse(&self, text: &str, environment: &Environment) -> Result<(Document, Config), Error> {
        let document = Document::parse(text)?;
        let config = Config::of(&document, environment);
        if let Ok(config) = &config {
            config.credentials.secrets().for_each(|secret| self.secrets.keep(secret));
        }
        // A misspelt property often explains why another one is missing, so unknown properties are logged before that
        // error.
        for sentence in unknown(&document, &spec::specification()?) {
            warn!("{sentence}");
        }
        Ok((document, config?))
    }

    /// The account for the flags of an Airbyte command. The reader of its stdout stores renewed configurations.
    pub(super) async fn account_of(&self, args: &AccountArgs) -> Result<Account, Error> {
        let file = args.config.as_deref().filter(|_| !args.no_config_update);
        let tokens = TokenPlaces { file, stdout: Some(self.stdout.clone()) };
        self.account(args.config.as_deref(), args.sandbox, tokens).await
    }

    /// The embedded account if `sandbox` is set, else that of the configuration file, else that of the environment.
    pub(super) async fn account(
        &self,
        config: Option<&Path>,
        sandbox: bool,
        tokens: TokenPlaces<'_>,
    ) -> Result<Account, Error> {
        let (document, config, sandbox) = if sandbox {
            let sandbox = Sandbox::start(sandbox::embedded(self.clock.clone())).await;
            let sandbox =
                sandbox.map_err(|error| Error::new(Kind::Internal, "The sandbox cannot start").because(error))?;
            info!("reading the embedded account of made-up data");
            let config = sandbox::config(&sandbox, &sandbox::embedded_credentials()).to_string();
            // The embedded account has its own token: one in the environment belongs to a real account.
            let (document, config) = self.parse(&config, &Environment::default())?;
            (document, config, Some(sandbox))
        } else {
            let parsed = config.map_or_else(|| self.parse("{}", &self.environment), |path| self.config(path));
            let (document, config) = parsed?;
            (document, config, None)
        };
        let access = match config.credentials.clone() {
            Credentials::AccessToken(token) => Access::from(token),
            Credentials::ClientCredentials(client) => {
                Access { token: None, renewal: Some(Renewal::ClientCredentials(client)) }
            }
            Credentials::Pair { client, access, refresh } => {
                let store = TokenStore::new(document, tokens.file, tokens.stdout, self.clock.clone());
                Access { token: access, renewal: Some(Renewal::Refresh { client, token: refresh, store }) }
            }
        };
        let client = self.client(&config, access)?;
        // A signal does not end the process until this client has stored a new token.
        let _ = self.client.set(client.clone());
        Ok(Account { config, client, sandbox })
    }

    /// A client for the account of a configuration.
    pub(super) fn client(&self, config: &Config, access: Access) -> Result<Client, Error> {
        let api = Api {
            origin: config.origin.clone(),
            access,
            secrets: self.secrets.clone(),
            requests_per_minute: config.requests_per_minute,
            concurrency: config.concurrency,
            attended: self.attended,
        };
        Client::new(api, self.clock.clone())
    }
}
