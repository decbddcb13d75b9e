/* test_kafka.c - consumer, producer and group against librdkafka's mock cluster: real protocol on loopback ports that
 * the kernel chooses, with brokers that can be taken away and answers that can be made to fail. The linker puts
 * rd_kafka_new() and rd_kafka_pause_partitions() of this file before the library's (meson.build).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "common/base/err.h"
#include "common/edge/kafka.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"

enum {
    WAIT_MS = 30000,
    SILENCE_MS = 1500,
    RENEW_MS_MAX = 6000,
    STORY_S_MAX = 90,
    SEEN_MAX = 4096,
    OFFSET_COMMIT = 8,
    JOIN_GROUP = 11,
    HEARTBEAT = 12,
    INIT_PRODUCER_ID = 22
};

static const char *const topics[] = {"ai.anomalies.v1", "ai.evidence.v1"};

struct story {
    rd_kafka_t *cluster_handle;
    rd_kafka_mock_cluster_t *cluster;
    const char *brokers;
    int wakeup_fd;
    const char *instance_id;
    struct kafka_producer *producer;
    struct kafka_consumer *consumer;
    struct kafka_message loan;
    size_t assigned;
    size_t revoked;
    size_t revoked_first; /* of the first time */
    bool commits_in_revoked;
    int commit_rc;
    struct kafka_offset offset; /* to commit in revoked() */
    size_t delivered;
    size_t failed;
    uint64_t failed_tag;
    size_t taken; /* of all topics */
    size_t seen;  /* of the first one */
    uint64_t seen_values[SEEN_MAX];
};

/* --- a start that is interrupted ---------------------------------------------------------------------------------- */

/* When it is armed, librdkafka's thread stops in the middle of starting one partition (its log callback is called
 * there) until a pause is under way, and a pause that comes first waits for that moment. */
static struct {
    atomic_bool armed;
    atomic_bool starting;
    atomic_bool pausing;
} interrupted;

enum { MEET_MS = 2000, PASS_MS = 50 };

enum { MADE_MAX = 8, RENEW_MS_MIN = 4500 };

static size_t consumers_made;
static uint64_t made_ms[MADE_MAX];

static void meet(const atomic_bool *other)
{
    for (uint64_t end = loop_now_ms() + MEET_MS; !atomic_load(other) && loop_now_ms() < end;)
        usleep(1000);
}

static void on_library_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    if (!atomic_load(&interrupted.armed))
        return;
    if (strcmp(facility, "PAUSE") == 0)
        atomic_store(&interrupted.pausing, true);
    if (strcmp(facility, "CONSUMER") == 0 && strstr(text, "Start consuming") && !atomic_load(&interrupted.starting)) {
        atomic_store(&interrupted.starting, true);
        meet(&interrupted.pausing);
        usleep(PASS_MS * 1000); /* the pause is behind the line that told of it */
    }
}

rd_kafka_t *__real_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *error, size_t size);
rd_kafka_t *__wrap_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *error, size_t size);
rd_kafka_t *__wrap_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *error, size_t size)
{
    if (type == RD_KAFKA_CONSUMER && consumers_made < MADE_MAX)
        made_ms[consumers_made++] = loop_now_ms();
    if (type == RD_KAFKA_CONSUMER) /* the mock cluster waits so long for a member that is gone */
        rd_kafka_conf_set(conf, "session.timeout.ms", "6000", NULL, 0);
    if (type == RD_KAFKA_CONSUMER && atomic_load(&interrupted.armed)) {
        rd_kafka_conf_set(conf, "debug", "topic", NULL, 0);
        rd_kafka_conf_set_log_cb(conf, on_library_log);
    }
    return __real_rd_kafka_new(type, conf, error, size);
}

rd_kafka_resp_err_t __real_rd_kafka_pause_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list);
rd_kafka_resp_err_t __wrap_rd_kafka_pause_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list);
rd_kafka_resp_err_t __wrap_rd_kafka_pause_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    if (atomic_load(&interrupted.armed))
        meet(&interrupted.starting);
    return __real_rd_kafka_pause_partitions(rk, list);
}

/* --- rig ---------------------------------------------------------------------------------------------------------- */

static void on_assigned(void *context, const struct kafka_partition *partitions, size_t count)
{
    ((struct story *)context)->assigned = count;
}

static void on_revoked(void *context, const struct kafka_partition *partitions, size_t count)
{
    struct story *s = context;
    if (s->revoked == 0)
        s->revoked_first = count;
    s->revoked += count;
    if (s->commits_in_revoked) /* a broker takes it, the mock cluster answers that a rebalance is going on */
        s->commit_rc = kafka_consumer_commit_sync(s->consumer, &s->offset, 1, WAIT_MS);
}

static void on_delivered(void *context, uint64_t tag, int rc)
{
    struct story *s = context;
    if (rc == 0) {
        s->delivered++;
    } else {
        s->failed++;
        s->failed_tag = tag;
    }
}

static int setup(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    atomic_store(&interrupted.armed, false);
    atomic_store(&interrupted.starting, false);
    atomic_store(&interrupted.pausing, false);
    consumers_made = 0;
    alarm(STORY_S_MAX); /* librdkafka's end waits without end for a record on loan */
    log_set_fd(open(getenv("KAFKA_TEST_LOG") ? "/dev/stderr" : "/dev/null", O_WRONLY | O_CLOEXEC));
    char error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    s->cluster_handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    s->cluster = rd_kafka_mock_cluster_new(s->cluster_handle, 1);
    s->brokers = rd_kafka_mock_cluster_bootstraps(s->cluster);
    s->wakeup_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (size_t i = 0; i < ARRAY_COUNT(topics); i++)
        assert_int_equal(rd_kafka_mock_topic_create(s->cluster, topics[i], 2, 1), 0);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    kafka_producer_destroy(&s->producer);
    kafka_message_release(&s->loan);
    kafka_consumer_destroy(&s->consumer);
    rd_kafka_mock_cluster_destroy(s->cluster);
    rd_kafka_destroy(s->cluster_handle);
    close(s->wakeup_fd);
    free(s);
    return 0;
}

static void producer_begin(struct story *s, uint32_t queue_count_max)
{
    const struct kafka_producer_options options = {.brokers = s->brokers,
                                                   .client_id = "v1",
                                                   .queue_count_max = queue_count_max,
                                                   .linger_ms = 5,
                                                   .wakeup_fd = -1,
                                                   .delivered = on_delivered,
                                                   .context = s};
    assert_int_equal(kafka_producer_new(&s->producer, &options), 0);
}

static void consumer_begin(struct story *s)
{
    const struct kafka_consumer_options options = {.brokers = s->brokers,
                                                   .client_id = "v1",
                                                   .group_id = "ingest",
                                                   .instance_id = s->instance_id,
                                                   .topics = topics,
                                                   .topic_count = 2,
                                                   .wakeup_fd = s->wakeup_fd,
                                                   .assigned = on_assigned,
                                                   .revoked = on_revoked,
                                                   .context = s};
    assert_int_equal(kafka_consumer_new(&s->consumer, &options), 0);
}

static int produce(struct story *s, int topic, int32_t partition, uint64_t value)
{
    const struct kafka_header headers[] = {{"reason", span_text("MALFORMED")}, {"validator", span_text("v1")}};
    const struct kafka_record record = {.topic = topics[topic],
                                        .partition = partition,
                                        .key = span_text("key"),
                                        .value = span_of(&value, sizeof value),
                                        .headers = headers,
                                        .header_count = 2,
                                        .tag = value};
    return kafka_produce(s->producer, &record);
}

static void produce_range(struct story *s, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        assert_int_equal(produce(s, 0, (int32_t)(i % 2), i), 0);
    assert_int_equal(kafka_producer_flush(s->producer, WAIT_MS), 0);
}

/* Poll as a loop does: woken by the descriptor, or by a timer. */
static size_t consume_once(struct story *s)
{
    struct kafka_message messages[64];
    struct pollfd item = {.fd = s->wakeup_fd, .events = POLLIN};
    poll(&item, 1, 50);
    eventfd_t ignored;
    eventfd_read(s->wakeup_fd, &ignored);
    size_t total = 0;
    size_t count;
    do {
        count = kafka_consumer_poll(s->consumer, messages, ARRAY_COUNT(messages));
        for (size_t i = 0; i < count; i++) {
            if (messages[i].topic == 0 && messages[i].value.size == sizeof(uint64_t) && s->seen < SEEN_MAX)
                memcpy(&s->seen_values[s->seen++], messages[i].value.data, sizeof(uint64_t));
            kafka_message_release(&messages[i]);
            kafka_message_release(&messages[i]);
        }
        total += count;
        s->taken += count;
    } while (count == ARRAY_COUNT(messages));
    return total;
}

static void consume_until(struct story *s, size_t seen)
{
    uint64_t end = loop_now_ms() + WAIT_MS;
    while (s->seen < seen && loop_now_ms() < end)
        consume_once(s);
    assert_int_equal(s->seen, seen);
}

/* Take one record and keep it. */
static void borrow(struct story *s)
{
    for (uint64_t end = loop_now_ms() + WAIT_MS; !s->loan.handle && loop_now_ms() < end; usleep(10000))
        (void)!kafka_consumer_poll(s->consumer, &s->loan, 1);
    assert_non_null(s->loan.handle);
}

static void consume_for(struct story *s, uint64_t duration_ms)
{
    for (uint64_t end = loop_now_ms() + duration_ms; loop_now_ms() < end;)
        consume_once(s);
}

/* Statistics tell, now and then. */
static void consume_until_connected(struct story *s, bool connected)
{
    uint64_t end = loop_now_ms() + WAIT_MS;
    while (kafka_consumer_connected(s->consumer) != connected && loop_now_ms() < end)
        consume_once(s);
    assert_int_equal(kafka_consumer_connected(s->consumer), connected);
}

/* Every number below `count` was seen exactly once. */
static void expect_each_once(const struct story *s, size_t count)
{
    uint8_t times[SEEN_MAX] = {0};
    assert_int_equal(s->seen, count);
    for (size_t i = 0; i < s->seen; i++) {
        assert_true(s->seen_values[i] < count);
        assert_int_equal(times[s->seen_values[i]]++, 0);
    }
}

/* --- stories ------------------------------------------------------------------------------------------------------ */

static void what_is_produced_is_consumed_once_and_in_order(void **state)
{
    struct story *s = *state;
    producer_begin(s, 0);
    consumer_begin(s);
    produce_range(s, 0, 1000);
    assert_int_equal(s->delivered, 1000);
    consume_until(s, 1000);
    expect_each_once(s, 1000);
    uint64_t last[2] = {0, 1};
    for (size_t i = 0; i < s->seen; i++) {
        uint64_t value = s->seen_values[i];
        assert_true(value >= last[value % 2]);
        last[value % 2] = value;
    }
    assert_int_equal(s->assigned, 4);
    assert_int_equal(kafka_consumer_partition_count(s->consumer), 4);
    consume_until_connected(s, true);
    assert_int_equal(kafka_producer_outstanding(s->producer), 0);
}

static void a_record_comes_with_its_place_time_and_key(void **state)
{
    struct story *s = *state;
    producer_begin(s, 0);
    consumer_begin(s);
    assert_int_equal(produce(s, 1, 1, 7), 0);
    struct kafka_message message = {0};
    size_t count = 0;
    for (uint64_t end = loop_now_ms() + WAIT_MS; count == 0 && loop_now_ms() < end; usleep(10000)) {
        assert_int_equal(kafka_producer_poll(s->producer), 0);
        count = kafka_consumer_poll(s->consumer, &message, 1);
    }
    assert_int_equal(count, 1);
    assert_int_equal(message.topic, 1);
    assert_int_equal(message.partition, 1);
    assert_int_equal(message.offset, 0);
    assert_true(llabs(message.timestamp_ms - loop_wall_ms()) < WAIT_MS);
    assert_true(span_equal(message.key, span_text("key")));
    const uint64_t value = 7;
    assert_true(span_equal(message.value, span_of(&value, sizeof value)));
    rd_kafka_headers_t *headers = NULL;
    const void *text = NULL;
    size_t size = 0;
    assert_int_equal(rd_kafka_message_headers(message.handle, &headers), 0);
    assert_int_equal(rd_kafka_header_get_last(headers, "reason", &text, &size), 0);
    assert_true(span_equal(span_of(text, size), span_text("MALFORMED")));
    kafka_message_release(&message);
}

static void a_pause_loses_nothing_and_repeats_nothing(void **state)
{
    struct story *s = *state;
    producer_begin(s, 0);
    consumer_begin(s);
    kafka_consumer_pause(s->consumer); /* before there is an assignment */
    produce_range(s, 0, 200);
    for (uint64_t end = loop_now_ms() + WAIT_MS; s->assigned == 0 && loop_now_ms() < end;)
        consume_once(s);
    assert_int_equal(s->assigned, 4);
    consume_for(s, SILENCE_MS);
    assert_int_equal(s->seen, 0);
    kafka_consumer_resume(s->consumer);
    consume_until(s, 200);

    for (uint64_t round = 1; round <= 5; round++) {
        kafka_consumer_pause(s->consumer);
        kafka_consumer_pause(s->consumer);
        produce_range(s, 200 * round, 200 * (round + 1));
        consume_for(s, 200);
        assert_int_equal(s->seen, 200 * round);
        kafka_consumer_resume(s->consumer);
        consume_until(s, 200 * (round + 1));
    }
    expect_each_once(s, 1200);
}

/* librdkafka numbers what is asked of a partition, by any thread, and drops what comes with a lower number than what
 * was done last: a pause in the middle of a start made the start the late one, and the partition was never read. */
static void a_pause_in_the_middle_of_a_start_leaves_no_partition_behind(void **state)
{
    struct story *s = *state;
    atomic_store(&interrupted.armed, true);
    producer_begin(s, 0);
    consumer_begin(s);
    kafka_consumer_pause(s->consumer);
    for (uint64_t i = 0; i < 200; i++)
        assert_int_equal(produce(s, (int)(i / 2 % 2), (int32_t)(i % 2), i), 0);
    assert_int_equal(kafka_producer_flush(s->producer, WAIT_MS), 0);
    for (uint64_t end = loop_now_ms() + WAIT_MS; s->assigned == 0 && loop_now_ms() < end;)
        consume_once(s);
    consume_for(s, MEET_MS + SILENCE_MS);
    assert_true(atomic_load(&interrupted.starting));
    assert_int_equal(s->taken, 0);
    kafka_consumer_resume(s->consumer);
    for (uint64_t end = loop_now_ms() + WAIT_MS; s->taken < 200 && loop_now_ms() < end;)
        consume_once(s);
    assert_int_equal(s->taken, 200);
}

/* librdkafka keeps a pause beyond the assignment: who resumes between two assignments must not find it in the next. */
static void a_resume_between_two_assignments_is_not_forgotten(void **state)
{
    struct story *s = *state;
    producer_begin(s, 0);
    consumer_begin(s);
    produce_range(s, 0, 20);
    consume_until(s, 20);
    const struct kafka_offset now[] = {{.topic = 0, .partition = 0, .offset = 10},
                                       {.topic = 0, .partition = 1, .offset = 10}};
    assert_int_equal(kafka_consumer_commit_sync(s->consumer, now, 2, WAIT_MS), 0);
    kafka_consumer_pause(s->consumer);
    produce_range(s, 20, 40);
    consume_for(s, SILENCE_MS);
    assert_int_equal(s->seen, 20);
    rd_kafka_mock_push_request_errors(s->cluster, HEARTBEAT, 1, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    s->assigned = 0;
    for (uint64_t end = loop_now_ms() + WAIT_MS; s->revoked == 0 && loop_now_ms() < end;)
        consume_once(s);
    assert_int_equal(s->revoked, 4);
    assert_int_equal(s->assigned, 0);
    kafka_consumer_resume(s->consumer);
    consume_until(s, 40);
    expect_each_once(s, 40);
}

static void a_new_consumer_goes_on_behind_the_committed_offset(void **state)
{
    struct story *s = *state;
    producer_begin(s, 0);
    consumer_begin(s);
    produce_range(s, 0, 20);
    consume_until(s, 20);
    const struct kafka_offset later[] = {{.topic = 0, .partition = 0, .offset = 4}, {.topic = 1, .partition = 7}};
    const struct kafka_offset now[] = {{.topic = 0, .partition = 0, .offset = 10},
                                       {.topic = 0, .partition = 1, .offset = 8}};
    assert_int_equal(kafka_consumer_commit(s->consumer, later, 2), 0);
    assert_int_equal(kafka_consumer_commit_sync(s->consumer, now, 2, WAIT_MS), 0);
    kafka_consumer_destroy(&s->consumer);
    s->seen = 0;
    consumer_begin(s);
    consume_until(s, 2); /* of 10 in the odd partition */
    assert_int_equal(s->seen_values[0], 17);
    assert_int_equal(s->seen_values[1], 19);
    consume_for(s, SILENCE_MS);
    assert_int_equal(s->seen, 2);
}

static void partitions_that_go_are_told_before_they_are_gone(void **state)
{
    struct story *s = *state;
    producer_begin(s, 0);
    consumer_begin(s);
    produce_range(s, 0, 20);
    consume_until(s, 20);
    s->commits_in_revoked = true;
    s->offset = (struct kafka_offset){.topic = 0, .partition = 0, .offset = 5};
    struct story other = {.brokers = s->brokers, .wakeup_fd = s->wakeup_fd};
    consumer_begin(&other);
    uint64_t end = loop_now_ms() + WAIT_MS;
    while (s->revoked == 0 && loop_now_ms() < end) {
        consume_once(s);
        consume_once(&other);
    }
    /* What the other gets is not asked: the mock cluster starts over, without end, when one of two members is slow. */
    assert_int_equal(s->revoked_first, 4);
    assert_true(s->commit_rc == 0 || s->commit_rc == ERR_RETRY);
    s->commits_in_revoked = false;
    kafka_consumer_destroy(&other.consumer);
}

/* What librdkafka calls a fatal error: a member of the same instance came later, or a broker took us for two. */
static void a_fenced_consumer_is_made_anew_when_its_records_are_back(void **state)
{
    struct story *s = *state;
    s->instance_id = "v1";
    producer_begin(s, 0);
    consumer_begin(s);
    produce_range(s, 0, 20);
    consume_until(s, 20);
    consume_until_connected(s, true);
    const struct kafka_offset now[] = {{.topic = 0, .partition = 0, .offset = 10},
                                       {.topic = 0, .partition = 1, .offset = 10}};
    assert_int_equal(kafka_consumer_commit_sync(s->consumer, now, 2, WAIT_MS), 0);
    assert_int_equal(produce(s, 0, 0, 20), 0);
    assert_int_equal(kafka_producer_flush(s->producer, WAIT_MS), 0);
    borrow(s);

    rd_kafka_mock_push_request_errors(s->cluster, OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    rd_kafka_mock_push_request_errors(s->cluster, JOIN_GROUP, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    s->commits_in_revoked = true;
    s->offset = (struct kafka_offset){.topic = 0, .partition = 0, .offset = 11};
    s->assigned = 0;
    assert_int_equal(kafka_consumer_commit(s->consumer, now, 1), 0);
    for (uint64_t end = loop_now_ms() + WAIT_MS; s->revoked == 0 && loop_now_ms() < end;)
        consume_once(s);
    assert_int_equal(s->revoked, 4);
    assert_int_equal(s->commit_rc, ERR_RETRY);
    assert_int_equal(kafka_consumer_partition_count(s->consumer), 0);
    produce_range(s, 21, 40);
    consume_for(s, RENEW_MS_MAX);
    assert_false(kafka_consumer_connected(s->consumer));
    assert_int_equal(s->seen, 20);
    assert_int_equal(consumers_made, 1);

    kafka_message_release(&s->loan);
    consume_until(s, 40); /* record 20, once more, among them */
    assert_int_equal(consumers_made, 3);
    assert_true(made_ms[2] - made_ms[1] >= RENEW_MS_MIN); /* the second was fenced when it joined */
    expect_each_once(s, 40);
    assert_int_equal(s->assigned, 4);
    consume_until_connected(s, true);
    assert_int_equal(kafka_consumer_commit_sync(s->consumer, now, 2, WAIT_MS), 0);
    assert_int_equal(s->revoked, 4);
}

/* librdkafka's own end of one waits for ever, at times: here with fetched records that nobody took. */
static void a_fenced_consumer_ends(void **state)
{
    struct story *s = *state;
    producer_begin(s, 0);
    consumer_begin(s);
    produce_range(s, 0, 40);
    borrow(s);
    rd_kafka_mock_push_request_errors(s->cluster, HEARTBEAT, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    for (uint64_t end = loop_now_ms() + WAIT_MS; s->revoked == 0 && loop_now_ms() < end;)
        consume_once(s);
    assert_int_equal(s->revoked, 4);
    kafka_message_release(&s->loan);
    kafka_consumer_destroy(&s->consumer);
    assert_null(s->consumer);
}

static void a_full_queue_turns_back(void **state)
{
    struct story *s = *state;
    producer_begin(s, 10);
    assert_int_equal(rd_kafka_mock_broker_set_down(s->cluster, 1), 0);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(produce(s, 0, 0, i), 0);
    assert_int_equal(produce(s, 0, 0, 10), -EAGAIN);
    assert_int_equal(kafka_producer_outstanding(s->producer), 10);
    assert_int_equal(rd_kafka_mock_broker_set_up(s->cluster, 1), 0);
    assert_int_equal(kafka_producer_flush(s->producer, WAIT_MS), 0);
    assert_int_equal(s->delivered, 10);
    assert_int_equal(produce(s, 0, 0, 10), 0);
    assert_int_equal(kafka_producer_flush(s->producer, WAIT_MS), 0);
}

static void a_broker_that_is_away_is_waited_for(void **state)
{
    struct story *s = *state;
    producer_begin(s, 0);
    consumer_begin(s);
    produce_range(s, 0, 10);
    consume_until(s, 10);
    consume_until_connected(s, true);
    assert_int_equal(rd_kafka_mock_broker_set_down(s->cluster, 1), 0);
    consume_until_connected(s, false);
    assert_int_equal(produce(s, 0, 0, 10), 0);
    assert_int_equal(kafka_producer_flush(s->producer, 100), ERR_RETRY);
    assert_int_equal(s->delivered + s->failed, 10);
    assert_int_equal(rd_kafka_mock_broker_set_up(s->cluster, 1), 0);
    assert_int_equal(kafka_producer_flush(s->producer, WAIT_MS), 0);
    consume_until(s, 11);
    consume_until_connected(s, true);
    expect_each_once(s, 11);
}

static void a_dead_producer_reports_and_is_renewed(void **state)
{
    struct story *s = *state;
    rd_kafka_mock_push_request_errors(s->cluster, INIT_PRODUCER_ID, 1, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    assert_int_equal(rd_kafka_mock_broker_set_down(s->cluster, 1), 0); /* until the record is there */
    producer_begin(s, 0);
    assert_int_equal(produce(s, 0, 0, 77), 0);
    assert_int_equal(rd_kafka_mock_broker_set_up(s->cluster, 1), 0);
    uint64_t end = loop_now_ms() + WAIT_MS;
    while (s->failed == 0 && loop_now_ms() < end) {
        assert_int_equal(kafka_producer_poll(s->producer), 0);
        usleep(10000);
    }
    assert_int_equal(s->failed, 1);
    assert_int_equal(s->failed_tag, 77);
    assert_int_equal(produce(s, 0, 0, 77), 0);
    assert_int_equal(kafka_producer_flush(s->producer, WAIT_MS), 0);
    assert_int_equal(s->delivered, 1);
}

static void a_record_above_the_limit_is_refused(void **state)
{
    struct story *s = *state;
    producer_begin(s, 0);
    uint8_t *large = calloc(1, KAFKA_RECORD_BYTES_MAX + 1);
    struct kafka_record record = {
        .topic = topics[0], .partition = KAFKA_PARTITION_ANY, .value = span_of(large, KAFKA_RECORD_BYTES_MAX + 1)};
    assert_int_equal(kafka_produce(s->producer, &record), ERR_TOO_LARGE);
    record.value.size = 1 << 20;
    assert_int_equal(kafka_produce(s->producer, &record), 0);
    record.header_count = KAFKA_HEADER_COUNT_MAX + 1;
    assert_int_equal(kafka_produce(s->producer, &record), -EINVAL);
    assert_int_equal(kafka_producer_flush(s->producer, WAIT_MS), 0);
    assert_int_equal(s->delivered, 1);
    free(large);
}

static void a_group_without_members_keeps_an_offset(void **state)
{
    struct story *s = *state;
    struct kafka_group *group = NULL;
    const struct kafka_group_options options = {.brokers = s->brokers, .client_id = "v1", .group_id = "ingest.commits"};
    int64_t offset = -2;
    assert_int_equal(kafka_group_new(&group, &options), 0);
    assert_int_equal(kafka_group_committed(group, topics[0], 0, WAIT_MS, &offset), 0);
    assert_int_equal(offset, -1);
    assert_int_equal(kafka_group_commit(group, topics[0], 0, 41, WAIT_MS), 0);
    assert_int_equal(kafka_group_commit(group, topics[0], 0, 42, 0), 0);
    uint64_t end = loop_now_ms() + WAIT_MS;
    while (offset != 42 && loop_now_ms() < end) {
        kafka_group_poll(group);
        assert_int_equal(kafka_group_committed(group, topics[0], 0, WAIT_MS, &offset), 0);
    }
    assert_int_equal(offset, 42);
    assert_int_equal(rd_kafka_mock_broker_set_down(s->cluster, 1), 0);
    assert_int_equal(kafka_group_committed(group, topics[0], 0, 300, &offset), ERR_RETRY);
    assert_int_equal(kafka_group_commit(group, topics[0], 0, 43, 300), ERR_RETRY);
    kafka_group_destroy(&group);
}

static void bad_options_are_refused(void **state)
{
    struct story *s = *state;
    struct kafka_consumer_options options = {
        .brokers = s->brokers, .client_id = "v1", .group_id = "g", .wakeup_fd = -1};
    assert_int_equal(kafka_consumer_new(&s->consumer, &options), -EINVAL);
    options.topics = topics;
    options.topic_count = 2;
    options.group_id = "";
    assert_int_equal(kafka_consumer_new(&s->consumer, &options), -EINVAL);
    assert_null(s->consumer);
}

int main(int argc, char *argv[])
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* one story by its name */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_produced_is_consumed_once_and_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_comes_with_its_place_time_and_key, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pause_loses_nothing_and_repeats_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pause_in_the_middle_of_a_start_leaves_no_partition_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(a_resume_between_two_assignments_is_not_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_consumer_goes_on_behind_the_committed_offset, setup, teardown),
        cmocka_unit_test_setup_teardown(partitions_that_go_are_told_before_they_are_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fenced_consumer_is_made_anew_when_its_records_are_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fenced_consumer_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_turns_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broker_that_is_away_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_producer_reports_and_is_renewed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_above_the_limit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_group_without_members_keeps_an_offset, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_options_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests_name("kafka", tests, NULL, NULL);
}
