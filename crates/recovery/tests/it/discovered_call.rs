//! A call of which nobody has told, as Twilio says that it stands.

use crate::desk::*;
use rejoin_protocol::{ReservationSid, WorkerSid};
use rejoin_recovery::Untold;

#[test]
fn a_call_is_left_to_who_has_found_it_only_if_nobody_else_has_to_do_with_it() {
    let (hers, other) = (ReservationSid::numbered(1), ReservationSid::numbered(2));
    let (ada, bo) = (WorkerSid::numbered(ADA), WorkerSid::numbered(BO));
    let one = vec![(hers.clone(), ada.clone())];
    let two = vec![(hers.clone(), ada.clone()), (other.clone(), bo.clone())];
    let table = [
        (one.clone(), vec![CUSTOMER], true),
        (one.clone(), vec![CUSTOMER, ADA_LEG], true),
        (one.clone(), vec![CUSTOMER, ADA_LEG, 0xb1], false), // a colleague, or somebody from outside
        (one.clone(), vec![CUSTOMER, 0xb1], false),
        (one.clone(), vec![ADA_LEG], false), // he has hung up
        (one, vec![], false),
        (two, vec![CUSTOMER], false), // somebody else is asked to take him
        (vec![(hers.clone(), bo)], vec![CUSTOMER], false),
        (vec![(other, ada.clone())], vec![CUSTOMER], false),
        (vec![], vec![CUSTOMER], false),
    ];
    for (open, there, left) in table {
        let untold = Untold { open, there: there.into_iter().map(leg).collect() };
        assert_eq!(untold.is_left_to((&hers, &ada), &leg(CUSTOMER), &leg(ADA_LEG)), left, "{untold:?}");
    }
}
