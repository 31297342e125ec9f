//! `check`: can the remote be written to? One line for each thing looked at.

use super::{Called, print, runtime, setup};
use crate::cli::Configured;
use crate::error::{Error, ExitCode};
use crate::job;
use crate::record::StreamName;
use crate::text::{printable, printable_lines};

pub(super) fn run(
    configured: &Configured,
    may_create: bool,
    streams: &[String],
    called: &Called,
) -> Result<ExitCode, Error> {
    let loaded = setup::load(configured, called)?;
    runtime()?.block_on(async {
        let ready =
            job::setup::setup(loaded, called.connector(), job::setup::Beside::default()).await?;
        let streams: Vec<_> = streams.iter().map(|name| StreamName::new(&**name)).collect();
        let found = ready.check(&streams, may_create).await;
        let mut page = String::new();
        let mut failed = false;
        for line in &found {
            let (mark, found) = match &line.result {
                Ok(found) => ("ok    ", found),
                Err(wrong) => {
                    failed = true;
                    ("FAILED", wrong)
                }
            };
            let found = printable_lines(found);
            page.push_str(&format!("{mark} {}: {found}\n", printable(&line.subject)));
            if let Some(hint) = &line.hint {
                page.push_str(&format!("       hint: {}\n", printable_lines(hint)));
            }
        }
        if let Some(running) = ready.sandbox {
            running.stop().await;
        }
        print(page.as_bytes())?;
        Ok(if failed { ExitCode::Remote } else { ExitCode::Done })
    })
}
