/* test_udp.c - datagrams on the loopback interface's broadcast address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/udp.h"

enum { PATIENCE_MS = 10000 };

/* A port that nobody has now. */
static void free_address(char *out, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    snprintf(out, size, "udp://127.255.255.255:%u", ntohs(address.sin_port));
}

static int receive(const struct udp *udp, uint8_t *out, size_t capacity, size_t *size)
{
    struct pollfd wait = {.fd = udp->fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
    return udp_receive(udp, out, capacity, size);
}

static void everybody_hears_everybody(void **state)
{
    char text[64];
    free_address(text, sizeof text);
    struct udp each[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(udp_parse(&each[i], text), 0);
        assert_int_equal(udp_open(&each[i]), 0);
    }
    assert_int_equal(udp_send(&each[1], span_text("hello")), 0);
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[16];
        size_t size = 0;
        assert_int_equal(receive(&each[i], bytes, sizeof bytes, &size), 0);
        assert_true(span_equal(span_of(bytes, size), span_text("hello")));
        assert_int_equal(udp_receive(&each[i], bytes, sizeof bytes, &size), -EAGAIN);
    }
    assert_int_equal(udp_send(&each[2], span_text("more than there is room for")), 0);
    uint8_t few[4];
    size_t size = 77;
    assert_int_equal(receive(&each[0], few, sizeof few, &size), ERR_TOO_LARGE);
    assert_int_equal(size, 77);
    for (size_t i = 0; i < 3; i++)
        udp_close(&each[i]);
}

static void addresses_have_one_form(void **state)
{
    static const char *const bad[] = {"",
                                      "tcp://127.0.0.1:1",
                                      "udp://",
                                      "udp://127.0.0.1",
                                      "udp://127.0.0.1:",
                                      "udp://127.0.0.1:0",
                                      "udp://127.0.0.1:01",
                                      "udp://127.0.0.1:65536",
                                      "udp://127.0.0.1:1x",
                                      "udp://127.0.0.1: 1",
                                      "udp://name:1",
                                      "udp://[::1]:1",
                                      "udp://1.2.3.4.5.6.7.8.9:1",
                                      "udp://127.0.0.1:99999999999999999999"};
    struct udp udp;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        if (udp_parse(&udp, bad[i]) != -EINVAL)
            fail_msg("%s", bad[i]);
    }
    assert_int_equal(udp_parse(&udp, "udp://239.255.7.1:65535"), 0);
    assert_int_equal(udp.fd, -1);
    udp_close(&udp);
}

static void an_address_of_another_host_is_told(void **state)
{
    struct udp udp;
    assert_int_equal(udp_parse(&udp, "udp://192.0.2.1:20000"), 0);
    assert_int_equal(udp_open(&udp), -EADDRNOTAVAIL);
    assert_int_equal(udp.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_hears_everybody),
        cmocka_unit_test(addresses_have_one_form),
        cmocka_unit_test(an_address_of_another_host_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
