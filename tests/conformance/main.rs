//! The behaviours of the hub, each over every adapter, by the same code. The wire is spoken by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod bad;
mod beats;
mod binary;
mod bulk;
mod counts;
mod direct;
mod ends;
mod grants;
mod greeting;
mod hello;
mod history;
mod moderation;
mod moves;
mod peers;
mod plain_stream;
mod plain_websocket;
mod posts;
mod presence;
mod rates;
mod requests;
mod revocation;
mod rooms;
mod services;
mod support;
mod tickets;
mod webrtc;
mod webtransport;

/// One test per behaviour and variant.
macro_rules! each {
    ($($name:ident = $variant:path),+ ; $behaviours:tt) => { $(each!(@ $name $variant, $behaviours);)+ };
    (@ $name:ident $variant:path, { $($module:ident: $($behaviour:ident)+;)+ }) => {
        mod $name {
            $(mod $module {
                $(
                    #[tokio::test]
                    async fn $behaviour() {
                        crate::$module::$behaviour($variant).await;
                    }
                )+
            })+
        }
    };
}

each! {
    websocket = crate::support::Adapter::WebSocket,
    sse_stream = crate::support::Adapter::Stream,
    sse_stream_h2 = crate::support::Adapter::StreamH2,
    sse_poll = crate::support::Adapter::Poll,
    over_webtransport = crate::support::Adapter::WebTransport,
    over_webrtc = crate::support::Adapter::WebRtc;
    {
        hello: the_welcome_says_all without_a_name_one_is_a_guest other_versions_are_refused
            a_hello_of_another_shape_is_refused who_has_no_token_is_refused a_token_names_the_user
            frames_may_follow_a_first_hello_at_once a_probe_is_answered_and_becomes_a_session
            a_hello_on_a_probe_can_be_refused a_repeated_hello_means_nothing a_link_without_hello_is_closed
            a_full_hub_says_so;
        greeting: what_is_sent_behind_a_hello_waits_with_it who_is_refused_then_is_told_as_always
            a_client_that_goes_meanwhile_leaves_nothing;
        tickets: a_ticket_opens_a_session a_ticket_whose_welcome_got_lost_opens_the_same_session
            a_used_ticket_is_none an_old_or_invented_ticket_is_none;
        counts: acks_come_in_time a_pong_returns_the_stamp_and_the_count only_what_counts_is_counted
            a_lost_link_is_resumed_where_it_was what_was_not_received_is_sent_again an_ack_ends_the_repetition
            what_was_sent_into_a_dying_link_is_taken_once a_session_without_its_secret_is_not_resumed
            counts_that_cannot_be_are_refused a_session_ends_when_nobody_comes_back;
        moves: a_move_to_any_adapter_loses_and_doubles_nothing
            what_the_old_link_says_after_the_hello_is_not_counted back_and_forth_in_haste;
        beats: the_pace_is_agreed_and_changed beats_count_nothing_and_show_that_the_link_lives
            a_beat_before_the_hello_means_nothing;
        bad: bad_frames_are_counted_and_answered names_that_do_not_fit_are_answered_by_id too_many_bad_frames_close_the_link_and_not_the_session
            a_link_that_begins_with_nonsense_is_closed link_frames_of_the_hub_may_not_be_said
            a_beat_of_another_shape_closes_the_link frames_up_to_the_limit_pass_and_larger_ones_do_not
            unknown_types_fail wrong_shapes_fail_and_say_where;
        binary: bytes_come_out_of_any_adapter_as_they_went_in history_keeps_bytes
            bytes_go_to_users_and_sessions;
        rooms: an_event_has_its_fields a_room_without_history_has_no_positions
            without_an_id_the_hub_gives_one_and_no_reply a_publisher_may_do_without_the_echo
            a_repeated_publish_is_stored_once one_leaves_and_hears_no_more joining_again_begins_anew
            rooms_have_a_number volatile_events_leave_no_trace;
        history: what_came_after_a_position_follows_the_reply a_position_of_another_history_is_a_gap
            what_was_trimmed_is_a_gap a_room_may_begin_with_its_last_events history_is_read_in_pages
            a_slow_reader_gets_the_rest_from_history a_slow_reader_without_history_gets_one_gap
            who_reads_nothing_at_all_is_sent_away;
        presence: a_member_is_a_user_with_sessions states_are_told
            a_goodbye_is_told_after_a_while_and_a_return_not_at_all a_lost_link_is_no_goodbye;
        direct: a_user_is_reached_in_all_sessions a_session_is_reached_once
            volatile_messages_are_delivered_uncounted direct_messages_need_a_grant;
        bulk: bytes_go_beside_the_session a_receiver_is_asked_for_its_bulk_session bulk_moves_and_breaks_without_loss
            a_receiver_that_does_not_read_holds_back_its_sender_only a_bulk_session_needs_its_main_one;
        requests: a_request_gets_its_answer a_repeated_request_is_asked_once nobody_answers_for_another
            a_request_without_answer_ends requests_under_way_have_a_number a_service_keeps_its_askers;
        services: who_watches_a_session_is_told_of_its_end a_service_publishes_for_a_session
            direct_messages_and_answers_follow_the_events_before_them a_service_comes_with_its_key
            requests_wait_for_both_sides;
        peers: the_roster_says_who_comes_changes_and_goes a_peer_stays_one_without_a_link_and_on_another
            a_peer_goes_with_its_session signals_pass_between_members_only signals_keep_their_order_and_bytes
            a_roster_has_an_end signaling_can_be_forbidden;
        grants: a_grant_names_its_rooms a_session_ends_with_its_token_unless_it_gets_a_new_one
            every_frame_that_acts_needs_its_capability who_may_not_see_members_is_not_seen
            a_room_token_is_good_for_its_room_until_its_end a_client_is_told_before_its_token_ends
            another_grant_counts_at_once;
        revocation: a_revoked_token_ends_its_sessions_and_opens_none
            a_users_old_tokens_are_revoked_and_the_new_ones_are_not what_is_revoked_for_a_room_ends_there;
        moderation: a_muted_user_is_heard_again_when_that_ends a_kicked_user_comes_back_and_a_banned_one_does_not
            moderating_needs_the_grant_and_stops_at_its_equals a_backend_puts_users_into_rooms_and_out;
        rates: a_frame_too_many_is_answered_and_counted a_refused_frame_may_come_again
            volatile_frames_too_many_are_dropped who_goes_on_and_on_is_let_go
            a_user_comes_in_so_often_and_so_many_times what_is_published_fits_its_schema;
        ends: a_goodbye_ends_the_session_at_once a_backend_can_end_a_session a_quiet_client_is_asked
            a_silent_link_is_given_up_and_not_its_session a_hub_that_ends_asks_to_move_and_then_closes;
    }
}

each! {
    posts_of_a_stream = crate::support::Adapter::Stream,
    posts_of_a_stream_h2 = crate::support::Adapter::StreamH2,
    posts_of_polls = crate::support::Adapter::Poll;
    {
        posts: posts_in_any_order_have_one_effect what_a_long_post_causes_needs_no_further_one
            frames_too_far_ahead_are_not_taken a_post_needs_the_links_key
            a_link_that_ended_is_not_found bodies_that_are_wrong_say_so a_welcome_and_more_fit_into_one_answer;
    }
}

each! {
    plain_http1 = crate::support::Version::H1,
    plain_http2 = crate::support::Version::H2;
    {
        plain_stream: events_have_their_positions the_last_event_id_recovers what_is_gone_is_an_event_of_its_own
            a_stream_needs_a_token_where_the_room_is_not_public a_stream_says_why_it_ends
            a_reader_that_leaves_is_forgotten wrong_requests_are_refused;
    }
}
