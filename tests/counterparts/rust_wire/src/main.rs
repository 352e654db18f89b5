//! KwaaiNet's messages of inference as rmp-serde reads and writes them: structures of the same names
//! and types as KwaaiNet's. Each line of the standard input is a request in JSON, each line of the
//! output its answer:
//!
//!     {"do": "encode", "kind": "InferenceRequest", "value": {...}}  ->  {"ok": "85aa..."}
//!     {"do": "decode", "kind": "MuxFrame", "data": "81a7..."}       ->  {"ok": {...}}
//!
//! or {"error": "..."}. Add "positional": true for arrays instead of maps.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PayloadType {
    TokenIds,
    HiddenStates,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResponseType {
    HiddenStates,
    Logits,
}

#[derive(Serialize, Deserialize)]
struct InferenceRequest {
    session_id: u64,
    seq_pos: u32,
    payload_type: PayloadType,
    shape: Vec<u32>,
    data: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct InferenceResponse {
    session_id: u64,
    response_type: ResponseType,
    shape: Vec<u32>,
    data: Vec<u8>,
    error: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ProxyRequest {
    method: String,
    path: String,
    body: Vec<u8>,
    #[serde(default)]
    lease_id: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct ProxyResponse {
    status: u16,
    body: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct LeaseRequestPayload {
    model: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct LeaseGrant {
    lease_id: u64,
    ttl_secs: u32,
}

#[derive(Serialize, Deserialize)]
enum NegotiationOutcome {
    Granted(LeaseGrant),
    DeniedAtCapacity { retry_after_secs: u32 },
    DeniedWrongModel,
    DeniedLeaseUnknown,
    DeniedProtocolUnsupported,
    PeerUnreachable,
}

#[derive(Serialize, Deserialize)]
struct MuxRequest {
    request_id: u64,
    method: String,
    path: String,
    body: Vec<u8>,
    #[serde(default)]
    lease_id: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct MuxResponse {
    request_id: u64,
    status: u16,
    body: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum MuxFrame {
    Request(MuxRequest),
    Response(MuxResponse),
    LeaseRequest { request_id: u64, model: Option<String> },
    LeaseResponse { request_id: u64, outcome: NegotiationOutcome },
    LeaseRelease { lease_id: u64 },
    LeaseKeepalive { lease_id: u64 },
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn one<T: Serialize + DeserializeOwned>(request: &Value) -> Result<Value> {
    if request["do"] == "decode" {
        let data = bytes(request["data"].as_str().ok_or("no data")?)?;
        return Ok(serde_json::to_value(rmp_serde::from_slice::<T>(&data)?)?);
    }
    let value: T = serde_json::from_value(request["value"].clone())?;
    let packed = match request["positional"] == true {
        true => rmp_serde::to_vec(&value)?,
        false => rmp_serde::to_vec_named(&value)?,
    };
    Ok(packed.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let digits = (0..hex.len()).step_by(2);
    Ok(digits.map(|at| u8::from_str_radix(&hex[at..at + 2], 16)).collect::<std::result::Result<_, _>>()?)
}

fn answer(line: &str) -> Result<Value> {
    let request: Value = serde_json::from_str(line)?;
    match request["kind"].as_str().unwrap_or("") {
        "InferenceRequest" => one::<InferenceRequest>(&request),
        "InferenceResponse" => one::<InferenceResponse>(&request),
        "ProxyRequest" => one::<ProxyRequest>(&request),
        "ProxyResponse" => one::<ProxyResponse>(&request),
        "LeaseRequestPayload" => one::<LeaseRequestPayload>(&request),
        "NegotiationOutcome" => one::<NegotiationOutcome>(&request),
        "MuxFrame" => one::<MuxFrame>(&request),
        other => Err(format!("unknown kind {other:?}").into()),
    }
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let said = match answer(&line?) {
            Ok(value) => json!({"ok": value}),
            Err(error) => json!({"error": error.to_string()}),
        };
        writeln!(out, "{said}")?;
        out.flush()?;
    }
    Ok(())
}
