//! Requests, answers and refusals as they cross the socket.

use serde_json::json;

use super::{
    error::{ApiError, Code},
    request::Request,
    response::Response,
};

#[test]
fn requests_are_told_by_their_operation() {
    let request: Request = serde_json::from_value(json!({
        "operation": "container-add",
        "name": "a",
        "target": {"cgroups": ["/a"]},
        "settings": {"mode": "full", "ports": ["80"], "addresses": ["192.0.2.1"]},
    }))
    .unwrap();
    let back = serde_json::to_value(&request).unwrap();
    assert_eq!(back["operation"], "container-add");
    assert_eq!(back["settings"]["mode"], "full");
    let status: Request = serde_json::from_value(json!({"operation": "status"})).unwrap();
    assert_eq!(status, Request::Status);
}

#[test]
fn what_is_not_understood_is_refused() {
    for request in [
        json!({"operation": "reboot"}),
        json!({"operation": "container-show", "name": "a b"}),
        json!({"operation": "container-show", "name": "a", "colour": "red"}),
        json!({"operation": "port-reserve", "name": "a", "service": "tcp/0", "address": null, "raw": false}),
        json!({"operation": "container-add", "name": "a", "target": {"cgroup": "/a"}, "settings": {}}),
    ] {
        assert!(serde_json::from_value::<Request>(request.clone()).is_err(), "{request}");
    }
}

#[test]
fn answers_say_what_they_are() {
    let done = Response::Done { notes: vec!["id 1".to_owned()] };
    assert_eq!(serde_json::to_value(&done).unwrap(), json!({"kind": "done", "value": {"notes": ["id 1"]}}));
}

#[test]
fn refusals_are_one_line_with_a_number() {
    let error = ApiError::new(Code::Unsupported, "no\nway");
    let expected = json!({"code": 4, "message": "no way"});
    assert_eq!(serde_json::to_value(&error).unwrap(), expected);
    assert_eq!(serde_json::from_value::<ApiError>(expected).unwrap(), error);
    for number in [0, 6] {
        assert!(serde_json::from_value::<ApiError>(json!({"code": number, "message": ""})).is_err());
    }
}

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    for number in 1..=5_u8 {
        let code = Code::try_from(number).unwrap();
        assert_eq!(u8::from(code), number);
        assert_eq!(code as u8, number);
    }
}

#[test]
fn lines_that_may_follow_a_refusal_cross_too() {
    let error = ApiError::new(Code::Unverified, "no").with_details(vec!["because".to_owned()]);
    let expected = json!({"code": 5, "message": "no", "details": ["because"]});
    assert_eq!(serde_json::to_value(&error).unwrap(), expected);
    assert_eq!(serde_json::from_value::<ApiError>(expected).unwrap(), error);
}
