//! `--access-token`: refreshes the credential and prints it, for platforms that ask.

use super::{Called, print, runtime};
use crate::config::Loaded;
use crate::connector;
use crate::error::{Error, ExitCode};
use crate::job::setup;

pub(super) fn run(loaded: Loaded, called: &Called) -> Result<ExitCode, Error> {
    let result = runtime()?.block_on(async {
        let (name, settings) = setup::settings_alone(loaded, called.connector())?;
        Ok::<_, Error>(connector::access_token(&name, settings).await)
    })?;
    let answer = match result {
        Ok(token) => serde_json::json!({"access_token": token}),
        Err(error) => serde_json::json!({"error": error.to_string()}),
    };
    print(format!("{}\n", serde_json::to_string_pretty(&answer).unwrap_or_default()).as_bytes())
}
