"""Where each of the fifteen bugs is shown besides, on real processes, brokers, stores and keys; and what is for later."""

from __future__ import annotations

ELSEWHERE = {
    1: ["tests/journey/test_ends.py::test_a_queue_that_stays_full_until_the_expiry_is_a_consignment_failure"],
    2: [
        "tests/journey/test_orders.py::test_a_copy_for_a_queue_ends_once_whatever_the_order",
        "tests/journey/test_lives.py::test_a_worker_frozen_before_its_confirm_repeats_one_letter_under_its_id_and_no_evidence",
    ],
    3: [
        "tests/chaos/test_chaos.py::test_ten_kills_and_a_broker_restart_during_two_hundred_documents_lose_and_double_nothing"
    ],
    4: [
        "tests/service/test_crashes.py::test_a_worker_killed_at_each_named_point_loses_and_doubles_nothing",
        "tests/simulation/test_simulation.py::test_whatever_dies_or_fails_in_some_seeds_the_books_balance",
    ],
    5: [
        "tests/service/test_large_documents.py::test_ten_files_of_50_mb_pass_and_the_process_grows_by_60_mb_at_most"
    ],
    6: ["tests/journey/test_promises.py::test_what_is_refused_for_good_is_not_tried_again"],
    7: [
        "tests/http/test_limits.py::test_a_body_that_stops_coming_is_told_so",
        "tests/service/test_broker_trouble.py::test_a_broker_that_is_stopped_costs_a_deadline_and_no_more",
    ],
    9: [
        "tests/evidence/test_sequencer.py::test_an_authority_that_is_away_holds_nothing_up_and_is_asked_again"
    ],
    10: ["tests/http/test_health.py::test_one_part_that_is_not_well_makes_it_not_ready_and_says_why"],
    11: ["tests/stages/test_receipt.py::test_business_statuses_never_go_backwards"],
    12: [
        "tests/service/test_broker_deaths.py::test_a_message_that_kills_us_again_and_again_becomes_a_dead_letter",
        "tests/service/test_broker_deaths.py::test_a_delivery_that_is_rejected_or_never_settled_comes_back",
        "tests/service/test_broker_deaths.py::test_a_full_dead_letter_queue_holds_up_no_delivery",
        "tests/service/test_broker_contract.py::test_what_stays_unavailable_frees_the_partys_queue_and_is_tried_on",
        "tests/service/test_broker_trouble.py::test_a_broker_that_is_stopped_costs_a_deadline_and_no_more",
    ],
    13: ["tests/signing/test_seals.py::test_a_large_sealed_file_is_not_in_memory"],
}
"""Node ids by the number of the bug."""

LATER = {
    12: "a broker that is stopped for minutes: `make chaos` stops it for one",
    13: "twenty parallel signatures over PKCS#11: no key of ours lies in a token yet",
    14: "fifteen minutes, with rates and resident memory: `make bench`",
}
"""What no test of `make test` shows."""
