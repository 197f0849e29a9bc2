//! `apigw emulator calls`: the calls that a running emulator has received.

use std::collections::BTreeSet;
use std::time::Duration;

use apigateway_grpc::emulator::messages::{
    Call, CallView, ClearCallsRequest, Event, ListCallsRequest, WatchEventsRequest, call, event,
};
use apigateway_grpc::tonic::{Code, Response, Streaming};
use clap::Args;

use super::{Access, Admin, READY_PAUSE, compact, failed};
use crate::config::Settings;
use crate::failure::{Failure, code_name};
use crate::output;

/// Number of calls that the emulator keeps.
const RECORDED_CALLS: usize = 1000;

#[derive(Debug, Args)]
pub(super) struct Calls {
    /// Print further calls as they end, until it is interrupted.
    #[arg(long, short)]
    follow: bool,
    /// Only calls of this method, such as GetOperation.
    #[arg(long, value_name = "METHOD", default_value = "")]
    method: String,
    /// Only calls for this resource and for those below it.
    #[arg(long, value_name = "NAME", default_value = "")]
    resource: String,
    /// Only calls with this code, such as NOT_FOUND.
    #[arg(long, value_name = "CODE", default_value = "")]
    code: String,
    /// Only calls that have this text in the method, the name, the error or the fault.
    #[arg(long, value_name = "TEXT", default_value = "")]
    text: String,
    /// Print only the newest recorded calls, at most this many. With --follow, further calls are printed without a limit.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    limit: Option<i32>,
    /// Print one JSON object a line, with headers and messages unless --follow is given.
    #[arg(long)]
    json: bool,
    /// Delete the recorded calls instead.
    #[arg(long, conflicts_with_all = ["follow", "json", "method", "resource", "code", "text", "limit"])]
    clear: bool,
    #[command(flatten)]
    access: Access,
}

impl Calls {
    pub(super) async fn run(&self, settings: &Settings) -> Result<(), Failure> {
        let mut admin = self.access.admin(settings)?;
        if self.clear {
            let cleared = admin.clear_calls(ClearCallsRequest {}).await;
            return cleared.map(drop).map_err(|status| failed(&status));
        }
        // The stream is opened before the calls are listed, so that no call is missed. A call that is both listed and streamed
        // is printed once.
        let stream = match self.follow {
            true => Some(watch(&mut admin, None).await?),
            false => None,
        };
        let mut printed = BTreeSet::new();
        let limit = self.limit.unwrap_or_default();
        self.print(&mut admin, 0, limit, &mut printed).await?;
        let Some(mut stream) = stream else {
            return Ok(());
        };
        // With `--limit`, older calls than the first one that was printed stay unprinted.
        let first = printed.first().filter(|_| self.limit.is_some());
        let skipped = first.map_or(0, |first| first - 1);
        let mut number = None;
        loop {
            match stream.message().await {
                Ok(Some(event)) => {
                    number = Some(event.number);
                    // The emulator applies the filters to lists only, so the call is read from a list, not from the event.
                    let after = match event.event {
                        Some(event::Event::Call(call)) if !printed.contains(&call.sequence) => {
                            call.sequence.saturating_sub(1)
                        }
                        Some(event::Event::Lost(_) | event::Event::Reset(())) => skipped,
                        _ => continue,
                    };
                    self.print(&mut admin, after, 0, &mut printed).await?;
                }
                // The server ends its streams when it stops.
                Ok(None) => return Ok(()),
                Err(status) if status.code() == Code::Unavailable => {
                    tokio::time::sleep(READY_PAUSE).await;
                    stream = watch(&mut admin, number).await?;
                }
                Err(status) => return Err(failed(&status)),
            }
        }
    }

    /// Prints the calls that have a higher number than `after` and are not in `printed`, and adds them to `printed`. If `limit`
    /// is not 0, prints at most this many. With `--follow`, omits the calls in progress: they are printed when they have ended.
    async fn print(
        &self,
        admin: &mut Admin,
        after: u64,
        limit: i32,
        printed: &mut BTreeSet<u64>,
    ) -> Result<(), Failure> {
        let view = match self.json && !self.follow {
            true => CallView::Full,
            false => CallView::Basic,
        };
        let request = ListCallsRequest {
            method: self.method.clone(),
            page_size: limit,
            after,
            resource: self.resource.clone(),
            code: self.code.clone(),
            text: self.text.clone(),
            view: view.into(),
        };
        let listed = admin.list_calls(request).await;
        let listed = listed.map_err(|status| failed(&status))?.into_inner();
        for call in &listed.calls {
            let is_omitted = self.follow && call.status.is_none();
            if is_omitted || !printed.insert(call.sequence) {
                continue;
            }
            match self.json {
                true => output::line(&compact(call)?)?,
                false => output::line(&call_text(call))?,
            }
        }
        // The emulator no longer lists older calls.
        while printed.len() > RECORDED_CALLS {
            printed.pop_first();
        }
        Ok(())
    }
}

async fn watch(admin: &mut Admin, after: Option<u64>) -> Result<Streaming<Event>, Failure> {
    let watch = admin.watch_events(WatchEventsRequest { after }).await;
    watch
        .map(Response::into_inner)
        .map_err(|status| failed(&status))
}

/// Returns a call on one line.
fn call_text(call: &Call) -> String {
    let method = call.method.rsplit('.').next().unwrap_or_default();
    let transport = match call.transport() {
        call::Transport::Grpc => "gRPC",
        call::Transport::Rest => "REST",
        call::Transport::Unspecified => "-",
    };
    let time = call.start_time.map(|time| time.to_string());
    let code = call.status.as_ref();
    let code = code.map(|status| code_name(Code::from_i32(status.code)));
    let latency = call.latency.and_then(|time| Duration::try_from(time).ok());
    let latency = latency.map(|time| format!(" {:.1}ms", time.as_secs_f64() * 1000.0));
    let fault = match call.fault.as_str() {
        "" => String::new(),
        fault => format!(" {fault}"),
    };
    let text = format!(
        "{} {} {method} {} {transport} {}{}{fault}",
        call.sequence,
        time.unwrap_or_default(),
        call.resource,
        code.as_deref().unwrap_or("in progress"),
        latency.unwrap_or_default(),
    );
    output::printable(&text).replace('\n', " ")
}
