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
