//! `ringmain-bench report`: a result, once more, for whoever reads it.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::driver::Result;
use crate::report;
use crate::result::{FORMAT, Run};

#[derive(Args, Clone, Debug)]
pub struct ReportArguments {
    /// What `run` has written
    #[arg(value_name = "RESULT.json", default_value = "target/bench/result.json")]
    result: PathBuf,
    /// One page with tables and plots, readable offline
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The tables as Markdown; `-` is standard output
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Every plot as a file of its own
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
}

pub fn run(arguments: &ReportArguments) -> Result<()> {
    let run = read(&arguments.result)?;
    if let Some(file) = &arguments.html {
        write(file, &report::page(&run))?;
    }
    if let Some(dir) = &arguments.svg {
        for (name, svg) in report::svg_files(&run) {
            write(&dir.join(format!("{name}.svg")), &svg)?;
        }
    }
    let nothing_else = arguments.html.is_none() && arguments.svg.is_none();
    match &arguments.markdown {
        Some(file) if file.as_os_str() != "-" => write(file, &report::markdown(&run))?,
        None if !nothing_else => {}
        _ => print!("{}", report::markdown(&run)),
    }
    Ok(())
}

fn read(path: &Path) -> Result<Run> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    let run: Run = serde_json::from_str(&text).map_err(|error| named(&error))?;
    match run.format {
        FORMAT => Ok(run),
        other => Err(named(&format!("format {other}, this is a reader of {FORMAT}")).into()),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}
