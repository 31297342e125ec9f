//! What the `auth` of a manifest means; see [`program`](super::program).

use super::endpoint::{Parts, endpoint};
use super::manifest::{self, AuthKind, ClientPlace};
use super::program::{Auth, Login, OAuth1, Tokens, TokensFor, header_name, path};
use super::select::Path;
use super::template::Templates;
use super::text::{Place, Placed, Text, Wrong};

/// What the templates of a credential know.
const NAMES: &[&str] = &["config"];

/// Compiles `auth`, and refuses keys of another `type`.
pub(super) fn auth(templates: &mut Templates, auth: Placed<manifest::Auth>) -> Result<Auth, Wrong> {
    let Placed { value: mut given, at } = auth;
    let way = Way::new(given.kind, at);
    let mut text = |given: Option<Text>, key| templates.text(&way.needed(given, key)?, NAMES);
    let compiled = match given.kind {
        AuthKind::None => Auth::None,
        AuthKind::Bearer => Auth::Bearer { token: text(given.token.take(), "token")? },
        AuthKind::Basic => Auth::Basic {
            username: text(given.username.take(), "username")?,
            password: text(given.password.take(), "password")?,
        },
        AuthKind::ApiKey => {
            let key = text(given.key.take(), "key")?;
            match (given.header.take(), given.query.take()) {
                (Some(header), None) => {
                    Auth::KeyHeader { name: header_name(&header)?.to_string(), key }
                }
                (None, Some(query)) => Auth::KeyQuery { name: query.as_str().to_owned(), key },
                _ => return Err(at.wrong("`type: api_key` needs either `header` or `query`")),
            }
        }
        AuthKind::Login => {
            let call = way.needed(given.login.take(), "login")?;
            let header = given.header.take().unwrap_or_else(|| Text::of("Authorization"));
            let key = given.key.take().unwrap_or_else(|| Text::of("Bearer {{ token }}"));
            Auth::Login(Box::new(login(templates, &call, &header, &key)?))
        }
        AuthKind::OAuth1 => Auth::OAuth1(Box::new(OAuth1 {
            consumer_key: text(given.consumer_key.take(), "consumer_key")?,
            consumer_secret: text(given.consumer_secret.take(), "consumer_secret")?,
            token: text(given.token.take(), "token")?,
            token_secret: text(given.token_secret.take(), "token_secret")?,
            realm: given.realm.take().map(|realm| templates.text(&realm, NAMES)).transpose()?,
        })),
        AuthKind::OAuth2Refresh => {
            Auth::Tokens(Box::new(tokens(templates, &mut given, way, TokensFor::Refresh)?))
        }
        AuthKind::OAuth2ClientCredentials => {
            Auth::Tokens(Box::new(tokens(templates, &mut given, way, TokensFor::Secret)?))
        }
        AuthKind::OAuth2ClientAssertion => {
            Auth::Tokens(Box::new(tokens(templates, &mut given, way, TokensFor::Assertion)?))
        }
    };
    way.nothing_left(&given)?;
    Ok(compiled)
}

/// The `type` of an `auth`. Each takes the keys that it knows out of what is given.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    at: Place,
}

impl Way {
    fn new(kind: AuthKind, at: Place) -> Self {
        let name = match kind {
            AuthKind::None => "none",
            AuthKind::Bearer => "bearer",
            AuthKind::Basic => "basic",
            AuthKind::ApiKey => "api_key",
            AuthKind::OAuth2Refresh => "oauth2_refresh",
            AuthKind::OAuth2ClientCredentials => "oauth2_client_credentials",
            AuthKind::OAuth2ClientAssertion => "oauth2_client_assertion",
            AuthKind::OAuth1 => "oauth1",
            AuthKind::Login => "login",
        };
        Self { name, at }
    }

    /// The value of a key that must be there.
    fn needed<T>(self, given: Option<T>, key: &str) -> Result<T, Wrong> {
        given.ok_or_else(|| self.at.wrong(format!("`type: {}` needs `{key}`", self.name)))
    }

    /// Refuses a key that was not taken: it is another way's.
    fn nothing_left(self, given: &manifest::Auth) -> Result<(), Wrong> {
        let manifest::Auth {
            kind: _,
            login,
            token,
            username,
            password,
            header,
            query,
            key,
            consumer_key,
            consumer_secret,
            token_secret,
            realm,
            token_url,
            scope,
            parameters,
            client_in,
        } = given;
        let texts = [
            ("token", token),
            ("username", username),
            ("password", password),
            ("header", header),
            ("query", query),
            ("key", key),
            ("consumer_key", consumer_key),
            ("consumer_secret", consumer_secret),
            ("token_secret", token_secret),
            ("realm", realm),
            ("token_url", token_url),
            ("scope", scope),
        ];
        let login = login.as_ref().map(|login| ("login", login.path.at()));
        let text = texts.iter().find_map(|(key, text)| Some((*key, text.as_ref()?.at())));
        let parameter = parameters.as_ref().and_then(|given| given.keys().next());
        let parameter = parameter.map(|first| ("parameters", first.at()));
        let client_in = client_in.map(|_| ("client_in", self.at));
        match login.or(text).or(parameter).or(client_in) {
            Some((key, at)) => {
                Err(at.wrong(format!("`{key}` means nothing to `type: {}`", self.name)))
            }
            None => Ok(()),
        }
    }
}

/// Compiles a token endpoint of OAuth 2.
fn tokens(
    templates: &mut Templates,
    given: &mut manifest::Auth,
    way: Way,
    by: TokensFor,
) -> Result<Tokens, Wrong> {
    let token_url = way.needed(given.token_url.take(), "token_url")?;
    let token_url = templates.text(&token_url, &["config", "base_url"])?;
    let scope = if by == TokensFor::Refresh { None } else { given.scope.take() };
    let scope = scope.map(|scope| templates.text(&scope, NAMES)).transpose()?;
    // Where a signature says who the client is, it says so nowhere else.
    let client_in = if by == TokensFor::Assertion { None } else { given.client_in.take() };
    let basic = client_in == Some(ClientPlace::Basic);
    let mut parameters = Vec::new();
    for (name, value) in given.parameters.take().unwrap_or_default() {
        parameters.push((name.as_str().to_owned(), templates.text(&value, NAMES)?));
    }
    Ok(Tokens { token_url, by, scope, basic, parameters })
}

/// Compiles a call that gives a token.
fn login(
    templates: &mut Templates,
    login: &manifest::Login,
    header: &Text,
    key: &Text,
) -> Result<Login, Wrong> {
    let manifest::Login { method, path: address, query, headers, body, encoding, .. } = login;
    let (body, encoding) = (body.as_ref(), *encoding);
    let parts = Parts { method: *method, path: address, query, headers, body, encoding };
    let endpoint = endpoint(templates, &parts, NAMES, &[])?;
    let key = templates.text(key, &["config", "token"])?;
    if !key.names("token") {
        return Err(key.at().wrong("the `key` of a login does not name `token`"));
    }
    Ok(Login {
        endpoint,
        token: Path::parse(&login.token)?,
        expires_in: path(login.expires_in.as_ref())?,
        header: header_name(header)?,
        key,
    })
}
