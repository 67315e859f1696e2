//! How bad the days of the bench are.

use std::time::Duration;

use http::Method;

use crate::harness::Action;
use crate::harness::proxy::Call;

/// A body of the backend's is cut within so many bytes.
const CUT_MAX: usize = 6000;

/// What Azure and the network do to every third request, of any kind.
pub(super) fn storm(call: &Call, dice: &mut fastrand::Rng) -> Option<Action> {
    let has_body = call.method == Method::PUT && call.header("content-length") != Some("0");
    let is_read = call.method == Method::GET;
    let at = dice.usize(..CUT_MAX);
    Some(match dice.u32(..1000) {
        0..40 => Action::ResetBefore,
        40..100 => Action::DropAnswer,
        100..130 => Action::Answer(503, "ServerBusy", Some(0)),
        130..150 => Action::Answer(503, "ServerBusy", None),
        150..160 => Action::Answer(503, "ServerBusy", Some(120)),
        160..180 => Action::Answer(500, "OperationTimedOut", None),
        180..190 => Action::Answer(500, "InternalError", None),
        190..240 => Action::DoAndAnswer(500, "OperationTimedOut"),
        240..250 => Action::Answer(429, "TooManyRequests", None),
        250..260 => Action::Answer(403, "AuthenticationFailed", None),
        260..290 => Action::Delay(Duration::from_millis(dice.u64(1..20))),
        290..330 if has_body => Action::FlipRequestByte(dice.usize(..)),
        330..360 if has_body => Action::CutRequest(at),
        290..330 if is_read => Action::CutAnswer(at),
        330..350 if is_read => Action::EndAnswer(at),
        _ => return None,
    })
}

/// What is lost on the way back from a commit, and nothing else: every writer can find out.
pub(super) fn lost_answers(call: &Call, dice: &mut fastrand::Rng) -> Option<Action> {
    let commits = call.method == Method::PUT && matches!(&*call.comp, "" | "blocklist");
    let on_blob = call.restype.is_empty();
    (commits && on_blob && dice.u8(..5) == 0).then(|| match dice.bool() {
        true => Action::DropAnswer,
        false => Action::DoAndAnswer(500, "OperationTimedOut"),
    })
}

/// Every body that goes to Azure has a flipped byte.
pub(super) fn flips(call: &Call, dice: &mut fastrand::Rng) -> Option<Action> {
    let has_body = call.method == Method::PUT && call.header("content-length") != Some("0");
    has_body.then(|| Action::FlipRequestByte(dice.usize(..)))
}
