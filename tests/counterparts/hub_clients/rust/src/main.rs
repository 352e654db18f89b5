//! Runs hf-hub: hub-client STEPS, a JSON list of {"do": "file", "owner", "name", "path"} or
//! {"do": "snapshot", "owner", "name"}. Prints a JSON list of {"ok": PATH} or {"error": TEXT}.
//! Endpoint, token and cache are in the environment.

use hf_hub::{HFClientSync, HFResult};
use serde_json::{Value, json};
use std::path::PathBuf;

fn run(client: &HFClientSync, step: &Value) -> HFResult<PathBuf> {
    let text = |name: &str| step[name].as_str().unwrap_or("").to_string();
    let repository = client.model(text("owner"), text("name"));
    match step["do"].as_str() {
        Some("file") => repository.download_file().filename(text("path")).send(),
        _ => repository.snapshot_download().send(),
    }
}

fn main() {
    let given = std::env::args().nth(1).expect("the steps");
    let steps: Vec<Value> = serde_json::from_str(&given).expect("a list in JSON");
    let client = HFClientSync::new().expect("a client");
    let told: Vec<Value> = steps
        .iter()
        .map(|step| match run(&client, step) {
            Ok(path) => json!({"ok": path}),
            Err(error) => json!({"error": format!("{error:?}")}),
        })
        .collect();
    println!("{}", Value::from(told));
}
