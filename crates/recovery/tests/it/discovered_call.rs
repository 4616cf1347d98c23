//! A call that only a page has found, and what Twilio says of it.

use crate::desk::*;
use rejoin_protocol::{ReservationSid, WorkerSid};
use rejoin_recovery::UnreportedCall;

#[test]
fn a_found_call_is_left_to_its_agent_only_if_nobody_else_is_involved() {
    let (adas, other) = (ReservationSid::numbered(1), ReservationSid::numbered(2));
    let (ada, bo) = (WorkerSid::numbered(ADA), WorkerSid::numbered(BO));
    let one = vec![(adas.clone(), ada.clone())];
    let two = vec![(adas.clone(), ada.clone()), (other.clone(), bo.clone())];
    let table = [
        (one.clone(), vec![CUSTOMER], true),
        (one.clone(), vec![CUSTOMER, ADA_LEG], true),
        (one.clone(), vec![CUSTOMER, ADA_LEG, 0xb1], false), // a colleague or a third party
        (one.clone(), vec![CUSTOMER, 0xb1], false),
        (one.clone(), vec![ADA_LEG], false), // the customer has hung up
        (one, vec![], false),
        (two, vec![CUSTOMER], false), // another agent is asked to take the customer
        (vec![(adas.clone(), bo)], vec![CUSTOMER], false),
        (vec![(other, ada.clone())], vec![CUSTOMER], false),
        (vec![], vec![CUSTOMER], false),
    ];
    for (open, there, left) in table {
        let call = UnreportedCall { open, there: there.into_iter().map(leg).collect() };
        assert_eq!(call.is_left_to((&adas, &ada), &leg(CUSTOMER), &leg(ADA_LEG)), left, "{call:?}");
    }
}
