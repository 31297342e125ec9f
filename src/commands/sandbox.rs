//! `sandbox`: simulated remotes that stand alone.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::signals::Signals;
use super::{print, runtime};
use crate::error::{Error, ExitCode};
use crate::job::setup;
use crate::sandbox::{Faults, NAMES, Options};

pub(super) fn run(
    names: &[String],
    port: u16,
    faults: Option<&Path>,
    data: Option<PathBuf>,
) -> Result<ExitCode, Error> {
    if let Some(unknown) = names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(Error::usage(format!("there is no sandbox of the name `{unknown}`"))
            .hint(format!("the sandboxes are: {}", NAMES.join(", "))));
    }
    let faults = match faults {
        Some(path) => Faults::read(path).map_err(setup::sandbox_failed)?,
        None => Faults::default(),
    };
    runtime()?.block_on(async {
        let options = Options { port, data, faults };
        let running = crate::sandbox::start(options).await.map_err(setup::sandbox_failed)?;
        let address = running.address();
        // The one line on stdout, for scripts that let the port be chosen.
        print(format!("http://{address}\n").as_bytes())?;
        let all = names.is_empty();
        for name in NAMES.iter().filter(|name| all || names.iter().any(|one| one == *name)) {
            let mut config = Map::from_iter([("connector".to_owned(), Value::from(*name))]);
            if *name == "rest" {
                config.insert("manifest".to_owned(), "sandbox".into());
            }
            config.insert("base_url".to_owned(), format!("http://{address}").into());
            config.extend(setup::sandbox_credentials(name));
            let config = Value::Object(config);
            tracing::info!("Serving until interrupted. Config for it: {config}");
        }
        Signals::listen()?.recv().await;
        running.stop().await;
        Ok(ExitCode::Done)
    })
}
