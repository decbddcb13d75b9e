/* udp.c - SO_REUSEADDR lets several processes of a host hear one broadcast or multicast address; each gets a copy. */
#include "common/edge/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/err.h"

static struct sockaddr_in address_of(const struct udp *self)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)self->port), .sin_addr.s_addr = self->address};
}

int udp_parse(struct udp *out, const char *text)
{
    char host[INET_ADDRSTRLEN];
    struct in_addr address;
    if (strncmp(text, "udp://", 6) != 0)
        return -EINVAL;
    const char *colon = strchr(text + 6, ':');
    size_t size = colon ? (size_t)(colon - text - 6) : sizeof host;
    if (size >= sizeof host || colon[1] < '1' || colon[1] > '9')
        return -EINVAL;
    memcpy(host, text + 6, size);
    host[size] = '\0';
    char *end = NULL;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (inet_pton(AF_INET, host, &address) != 1 || *end != '\0' || port > UINT16_MAX)
        return -EINVAL;
    *out = (struct udp){.fd = -1, .address = address.s_addr, .port = (uint32_t)port};
    return 0;
}

static int set(int fd, int level, int option, const void *value, socklen_t size)
{
    return setsockopt(fd, level, option, value, size) < 0 ? -errno : 0;
}

static int prepare(int fd, const struct udp *self)
{
    const int on = 1;
    struct sockaddr_in address = address_of(self);
    int rc = set(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    rc = rc == 0 ? set(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) : rc;
    if (rc == 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        rc = -errno;
    if (rc == 0 && IN_MULTICAST(ntohl(self->address))) {
        struct ip_mreq group = {.imr_multiaddr.s_addr = self->address};
        rc = set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group);
    }
    return rc;
}

int udp_open(struct udp *self)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = prepare(fd, self);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    self->fd = fd;
    return 0;
}

void udp_close(struct udp *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

int udp_send(const struct udp *self, struct span datagram)
{
    struct sockaddr_in to = address_of(self);
    ssize_t sent =
        sendto(self->fd, datagram.data, datagram.size, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof to);
    return sent < 0 ? -errno : 0;
}

int udp_receive(const struct udp *self, uint8_t *out, size_t capacity, size_t *size)
{
    ssize_t got = recv(self->fd, out, capacity, MSG_TRUNC);
    if (got < 0)
        return -errno;
    if ((size_t)got > capacity)
        return ERR_TOO_LARGE;
    *size = (size_t)got;
    return 0;
}
