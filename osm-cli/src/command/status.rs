//! `osm-cli status`

use std::process::ExitCode;

use anyhow::Result;
use osm_migrate::state::JobStatus;
use serde_json::json;

use super::Globals;
use super::setup::Setup;
use crate::{args, exit, output};

pub(crate) async fn run(globals: &Globals<'_>, arguments: args::Status) -> Result<ExitCode> {
    let setup = Setup::new(globals, &arguments.data)?;
    let data_dir = setup.data_dir();
    if !data_dir.path().is_dir() {
        let path = data_dir.path().display();
        return Err(exit::usage(format!("there is no data directory {path}: export something to it first")));
    }
    let workloads = osm_migrate::status(data_dir).await?;
    if globals.is_json() {
        for workload in &workloads {
            let mut line = serde_json::to_value(workload)?;
            line["event"] = json!("status");
            output::json_line(&line);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if workloads.is_empty() {
        println!("no workload of {} has been started", data_dir.path().display());
        return Ok(ExitCode::SUCCESS);
    }
    let rows = workloads.iter().map(|workload| {
        vec![
            workload.job.workload.clone(),
            status_word(workload.job.status).to_owned(),
            workload.step.map(|step| step.to_string()).unwrap_or_default(),
            workload.job.detail.clone().unwrap_or_default(),
        ]
    });
    println!("{}", output::table(&["workload", "status", "last step done", "detail"], rows));
    Ok(ExitCode::SUCCESS)
}

fn status_word(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Pending => "not started",
        JobStatus::Running => "running",
        JobStatus::Failed => "to be continued",
        JobStatus::Seeded => "seeded",
        JobStatus::Done => "done",
    }
}
