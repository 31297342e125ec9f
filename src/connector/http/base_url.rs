//! The address below which all of a remote's paths are.

use url::Url;

/// Reads one.
///
/// # Errors
/// For people: what is wrong with it. It does not tell the address, which may hold a secret.
pub fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("`base_url` is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("`base_url` is no address of http or https".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("`base_url` holds a credential, which has a key of its own".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("`base_url` has a `?` or `#`".to_owned());
    }
    Ok(url)
}

/// What of an address tells its remote from others: `host`, or `host:port` where the port is not
/// the scheme's own.
pub fn host_and_port(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}
