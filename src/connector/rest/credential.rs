//! What the `auth` of a manifest means; see [`program`](super::program).

use super::endpoint::{Parts, endpoint};
use super::manifest::{self, AuthKind, ClientPlace};
use super::program::{Auth, Login, Tokens, header_name, path};
use super::select::Path;
use super::template::Templates;
use super::text::{Placed, Text, Wrong};

/// Compiles `auth`, and refuses keys of another `type`.
pub(super) fn auth(templates: &mut Templates, auth: Placed<manifest::Auth>) -> Result<Auth, Wrong> {
    let Placed { value: mut given, at } = auth;
    let kind = given.kind;
    let name = match kind {
        AuthKind::None => "none",
        AuthKind::Bearer => "bearer",
        AuthKind::Basic => "basic",
        AuthKind::ApiKey => "api_key",
        AuthKind::OAuth2Refresh => "oauth2_refresh",
        AuthKind::OAuth2ClientCredentials => "oauth2_client_credentials",
        AuthKind::Login => "login",
    };
    let needed = |text: Option<Text>, key: &str| {
        text.ok_or_else(|| at.wrong(format!("`type: {name}` needs `{key}`")))
    };
    let known = &["config"];
    let compiled = match kind {
        AuthKind::None => Auth::None,
        AuthKind::Bearer => {
            Auth::Bearer { token: templates.text(&needed(given.token.take(), "token")?, known)? }
        }
        AuthKind::Basic => Auth::Basic {
            username: templates.text(&needed(given.username.take(), "username")?, known)?,
            password: templates.text(&needed(given.password.take(), "password")?, known)?,
        },
        AuthKind::ApiKey => {
            let key = templates.text(&needed(given.key.take(), "key")?, known)?;
            match (given.header.take(), given.query.take()) {
                (Some(header), None) => {
                    Auth::KeyHeader { name: header_name(&header)?.to_string(), key }
                }
                (None, Some(query)) => Auth::KeyQuery { name: query.as_str().to_owned(), key },
                _ => {
                    let message = "`type: api_key` needs either `header` or `query`";
                    return Err(at.wrong(message));
                }
            }
        }
        AuthKind::Login => {
            let call = given.login.take();
            let call = call.ok_or_else(|| at.wrong("`type: login` needs `login`"))?;
            let header = given.header.take().unwrap_or_else(|| Text::of("Authorization"));
            let key = given.key.take().unwrap_or_else(|| Text::of("Bearer {{ token }}"));
            Auth::Login(Box::new(login(templates, &call, &header, &key)?))
        }
        AuthKind::OAuth2Refresh | AuthKind::OAuth2ClientCredentials => {
            let refresh = kind == AuthKind::OAuth2Refresh;
            let token_url = needed(given.token_url.take(), "token_url")?;
            let scope = if refresh { None } else { given.scope.take() };
            let parameters = given.parameters.take().unwrap_or_default();
            let parameters = parameters.into_iter();
            Auth::Tokens(Box::new(Tokens {
                token_url: templates.text(&token_url, &["config", "base_url"])?,
                refresh,
                scope: scope.map(|scope| templates.text(&scope, known)).transpose()?,
                basic: given.client_in.take() == Some(ClientPlace::Basic),
                parameters: parameters
                    .map(|(name, value)| {
                        Ok((name.as_str().to_owned(), templates.text(&value, known)?))
                    })
                    .collect::<Result<_, Wrong>>()?,
            }))
        }
    };
    if let Some(login) = &given.login {
        return Err(login.path.at().wrong(format!("`login` means nothing to `type: {name}`")));
    }
    let manifest::Auth { token, username, password, header, query, key, token_url, scope, .. } =
        &given;
    let left = [
        ("token", token),
        ("username", username),
        ("password", password),
        ("header", header),
        ("query", query),
        ("key", key),
        ("token_url", token_url),
        ("scope", scope),
    ];
    let left = left.iter().find_map(|(key, text)| Some((*key, text.as_ref()?.at())));
    let parameters = given.parameters.as_ref().and_then(|given| given.keys().next());
    let left = left.or(parameters.map(|first| ("parameters", first.at())));
    let left = left.or(given.client_in.map(|_| ("client_in", at)));
    match left {
        Some((key, at)) => Err(at.wrong(format!("`{key}` means nothing to `type: {name}`"))),
        None => Ok(compiled),
    }
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
    let endpoint = endpoint(templates, &parts, &["config"], &[])?;
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
