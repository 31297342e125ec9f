//! What a job writes must not take the place of what it needs.

use std::path::{Path, PathBuf};

use crate::cli::Run;
use crate::config::environment::Environment;
use crate::config::{Loaded, Source};
use crate::error::Error;
use crate::file::{beside, is_no_file};
use crate::store::FILES;
use crate::store::lock::LOCK;

/// Before anything else is read or written.
///
/// # Errors
/// Exit code 2 where a file is to be written that is read too, or is another output.
pub(super) fn refuse_needed(
    options: &Run,
    loaded: &Loaded,
    environment: &Environment,
) -> Result<(), Error> {
    let mut taken: Vec<(String, PathBuf)> = Vec::new();
    let mut needed = |what: &str, path: &Path| {
        taken.push((format!("{what} `{}`", path.display()), real(path)));
    };
    for source in options.configured.sources() {
        if let Source::File(path) = source {
            needed("the config", &path);
        }
    }
    let manifest = loaded.config.manifest.as_deref().map(Path::new);
    // Other names are of manifests that are built in.
    if let Some(path) = manifest.filter(|path| path.is_file()) {
        needed("the manifest", path);
    }
    for path in options.state.iter().chain(&environment.incremental_state()) {
        needed("the state", path);
    }
    if let Some(path) = &options.input {
        needed("the input", path);
    }
    let store = real(&loaded.config.store);
    for end in FILES.into_iter().chain([LOCK]) {
        needed("the store's", &beside(&store, end));
    }
    let outputs = [
        ("--results", &options.results),
        ("--rejects", &options.rejects),
        ("--summary", &options.summary),
    ];
    for (flag, path) in outputs {
        // A pipe or a terminal may be several at once.
        let Some(path) = path.as_deref().filter(|path| !is_no_file(path)) else { continue };
        let (told, real) = (format!("`{flag} {}`", path.display()), real(path));
        if let Some((other, _)) = taken.iter().find(|(_, place)| *place == real) {
            return Err(Error::usage(format!("{told} would be written over {other}"))
                .hint("name another file"));
        }
        taken.push((told, real));
    }
    Ok(())
}

/// The path that all names of a file lead to, also where it is not there yet.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = absolute.parent().and_then(|folder| folder.canonicalize().ok());
        match (folder, absolute.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => absolute,
        }
    })
}
