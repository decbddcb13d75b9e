/* udp.h - datagrams to everybody on a LAN, by broadcast or multicast. IPv4.
 *
 * Every process of a host that opens the same address hears every datagram, its own too. Nobody is authenticated here.
 *
 * Not pure: a socket. Ownership: a socket belongs to who opened it. Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

/* An open socket: its descriptor (for loop_fd_add()) and where it sends to. */
struct udp {
    int fd; /* -1: not open */
    uint32_t address, port;
};

/* "udp://A.B.C.D:PORT", a broadcast or multicast address, port 1..65535. Returns 0 or -EINVAL; *out is not open. */
MUST_USE int udp_parse(struct udp *out, const char *text);

/* Open what was parsed: bound to its address, so only datagrams to it are heard. Multicast joins on the interface that
 * the routes name, and does not leave the LAN (TTL 1). Returns 0, -EADDRNOTAVAIL (neither broadcast nor multicast
 * here), -ENODEV (no route to the group) or another -errno. */
MUST_USE int udp_open(struct udp *self);

/* Accepts one that is not open. */
void udp_close(struct udp *self);

/* Never blocks. Returns 0, -EAGAIN or another -errno (no network now). */
MUST_USE int udp_send(const struct udp *self, struct span datagram);

/* The next datagram. Never blocks. Returns 0, -EAGAIN (none there), ERR_TOO_LARGE (it had more than capacity bytes: it
 * is gone) or another -errno. */
MUST_USE int udp_receive(const struct udp *self, uint8_t *out, size_t capacity, size_t *size);
