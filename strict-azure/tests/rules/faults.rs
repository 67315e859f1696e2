//! Bad days.

use std::sync::Arc;

use strict_azure::{Action, Fault, Gate, Operation};

use crate::client::{BLOCK, Client};

#[tokio::test]
async fn a_fault_meets_whom_it_is_meant_for() {
    let client = Client::new();
    let busy = Fault::new(Action::Busy(Some(3))).on(Operation::PutBlob).named("b").skip(1).times(2);
    client.server.set_fault(busy);
    client.put("/con/a", "").await;
    client.put("/con/b", "").await;
    let answer = client.refused(("PUT", "/con/b"), &[BLOCK], "x", (503, "ServerBusy")).await;
    assert_eq!(answer.header("retry-after"), "3");
    client.get("/con/b").await;
    assert_eq!(client.server.faults_left(), 1);
    client.refused(("PUT", "/con/b"), &[BLOCK], "x", (503, "ServerBusy")).await;
    client.put("/con/b", "x").await;
    assert_eq!(client.server.count(Operation::PutBlob), 5);
    assert_eq!(client.server.requests(), 6);
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_deed() {
    let client = Client::new();
    client.server.set_fault(Fault::new(Action::TimedOutAfterDoing));
    client.refused(("PUT", "/con/a"), &[BLOCK], "1", (500, "OperationTimedOut")).await;
    assert_eq!(client.get("/con/a").await.text(), "1");
    client.server.set_fault(Fault::new(Action::CutAfterDoing));
    client.try_send("PUT", "/con/a", &[BLOCK], "2").await.map(|answer| answer.status).unwrap_err();
    assert_eq!(client.get("/con/a").await.text(), "2");
    client.server.set_fault(Fault::new(Action::TimedOut));
    client.refused(("PUT", "/con/a"), &[BLOCK], "3", (500, "OperationTimedOut")).await;
    client.server.set_fault(Fault::new(Action::Cut));
    client.try_send("PUT", "/con/a", &[BLOCK], "4").await.map(|answer| answer.status).unwrap_err();
    client.server.set_fault(Fault::new(Action::Refuse(403, "AuthorizationFailure".to_owned())));
    client.refused(("PUT", "/con/a"), &[BLOCK], "5", (403, "AuthorizationFailure")).await;
    assert_eq!(client.get("/con/a").await.text(), "2");
}

#[tokio::test]
async fn a_body_can_be_cut() {
    let client = Client::new();
    client.put("/con/a", "0123456789").await;
    client.server.set_fault(Fault::new(Action::CutBody(4)));
    client.try_send("GET", "/con/a", &[], "").await.map(|answer| answer.status).unwrap_err();
    assert_eq!(client.get("/con/a").await.text(), "0123456789");
}

#[tokio::test]
async fn a_request_can_be_held_while_others_pass() {
    let client = Arc::new(Client::new());
    let gate = Gate::new();
    client.server.set_fault(Fault::new(Action::Hold(gate.clone())));
    let held = {
        let client = Arc::clone(&client);
        async move { client.put("/con/a", "held").await.status }
    };
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(held);
    gate.arrived().await;
    client.put("/con/a", "passed").await;
    assert_eq!(client.get("/con/a").await.text(), "passed");
    gate.open();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), 201);
    assert_eq!(client.get("/con/a").await.text(), "held");
}
