/* test_beacon.c - a validator calls out where it is, and looks at so many calls of others. */
#include "tests/unit/consensusd/shell_rig.h"

#include <errno.h>

enum { PER_WAKE_UP = 32, PER_SECOND = 200 };

static void (*wake)(void *context);
static void (*call_out)(void *context);
static size_t waiting, looked_at, called, armed;
static size_t record_bytes;
static int call_rc, receive_rc;

int __wrap_udp_parse(struct udp *out, const char *text);
int __wrap_udp_parse(struct udp *out, const char *text)
{
    (void)out;
    assert_non_null(text);
    return 0;
}

int __wrap_udp_open(struct udp *self);
int __wrap_udp_open(struct udp *self)
{
    self->fd = 1;
    return 0;
}

int __wrap_udp_send(const struct udp *self, struct span datagram);
int __wrap_udp_send(const struct udp *self, struct span datagram)
{
    (void)self;
    assert_int_equal(datagram.size, record_bytes);
    called++;
    return call_rc;
}

int __wrap_udp_receive(const struct udp *self, uint8_t *out, size_t capacity, size_t *size);
int __wrap_udp_receive(const struct udp *self, uint8_t *out, size_t capacity, size_t *size)
{
    (void)self;
    assert_int_equal(capacity, PEER_RECORD_BYTES_MAX);
    if (waiting == 0)
        return -EAGAIN;
    waiting--;
    *out = 1;
    *size = 1;
    return receive_rc;
}

int __wrap_loop_fd_add(struct loop *self, int fd, void (*readable)(void *context), void *context);
int __wrap_loop_fd_add(struct loop *self, int fd, void (*readable)(void *context), void *context)
{
    (void)self;
    assert_true(fd == 1 && context == shell.daemon);
    wake = readable;
    return 0;
}

int __wrap_loop_timer_once(struct loop *self, uint32_t delay_ms, void (*fire)(void *context), void *context,
                           uint32_t *id);
int __wrap_loop_timer_once(struct loop *self, uint32_t delay_ms, void (*fire)(void *context), void *context,
                           uint32_t *id)
{
    (void)self;
    (void)id;
    assert_true(context == shell.daemon);
    assert_in_range(delay_ms, 2000, 4000);
    call_out = fire;
    armed++;
    return 0;
}

size_t __wrap_peerbook_record(const struct peerbook *self, uint32_t validator,
                              uint8_t out[static PEER_RECORD_BYTES_MAX]);
size_t __wrap_peerbook_record(const struct peerbook *self, uint32_t validator,
                              uint8_t out[static PEER_RECORD_BYTES_MAX])
{
    (void)self;
    (void)out;
    assert_int_equal(validator, RIG_SELF);
    return record_bytes;
}

void __wrap_peering_on_beacon(struct consensusd *self, struct span record);
void __wrap_peering_on_beacon(struct consensusd *self, struct span record)
{
    (void)self;
    assert_int_equal(record.size, 1);
    looked_at++;
}

static int start(void **state)
{
    (void)state;
    static char address[] = "255.255.255.255:1";
    static const struct consensusd_config config = {.beacon = address};
    shell_start();
    waiting = looked_at = called = armed = 0;
    call_rc = receive_rc = 0;
    record_bytes = 9;
    shell.daemon->config = &config;
    assert_int_equal(beacon_open(shell.daemon), 0);
    return 0;
}

/* Whatever became of the last call, and whether or not there is something to say. */
static void it_is_called_again_and_again(void **state)
{
    (void)state;
    assert_int_equal(called, 1);
    call_rc = -ENETUNREACH;
    call_out(shell.daemon);
    assert_int_equal(called, 2);
    record_bytes = 0; /* it does not advertise */
    call_out(shell.daemon);
    assert_int_equal(called, 2);
    assert_int_equal(armed, 3);
    assert_int_equal(shell.daemon->failure, 0);
}

static void others_have_their_turn_between_datagrams(void **state)
{
    (void)state;
    waiting = PER_WAKE_UP + 5;
    wake(shell.daemon);
    assert_int_equal(looked_at, PER_WAKE_UP);
    wake(shell.daemon);
    assert_int_equal(looked_at, PER_WAKE_UP + 5);
}

static void of_a_flood_so_many_a_second_are_looked_at(void **state)
{
    (void)state;
    for (size_t second = 1; second <= 3; second++) {
        waiting = 10 * PER_SECOND;
        while (waiting > 0)
            wake(shell.daemon);
        assert_int_equal(looked_at, second * PER_SECOND);
        shell.now_ms += 1000;
    }
}

static void what_could_not_be_received_is_not_looked_at(void **state)
{
    (void)state;
    receive_rc = -EMSGSIZE;
    waiting = 3;
    wake(shell.daemon);
    assert_int_equal(waiting, 0);
    assert_int_equal(looked_at, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, shell_stop)
        STORY(it_is_called_again_and_again),
        STORY(others_have_their_turn_between_datagrams),
        STORY(of_a_flood_so_many_a_second_are_looked_at),
        STORY(what_could_not_be_received_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
