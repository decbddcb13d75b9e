/* bus.h - what the virtual loop and the virtual bus say to each other, and what the liar may say on the bus. */
#pragma once

#include "common/base/span.h"
#include "common/edge/bus.h"
#include "common/edge/loop.h"

struct process;

/* NULL: nobody listens any more. */
void sim_bus_listen(struct bus_socket *socket, const struct loop_socket_handlers *handlers);
void sim_bus_pause(struct bus_socket *socket, bool pause);

/* The descriptor of a wake-up was written to by a library's thread. */
void sim_loop_wake(struct process *process, int number);
/* The true time. */
int64_t sim_wall_ms(void);

/* --- between validators ------------------------------------------------------------------------------------------- */

enum sim_bus_channel {
    SIM_BUS_CONSENSUS, /* what consensusd publishes */
    SIM_BUS_SYNC_QUESTION,
    SIM_BUS_SYNC_ANSWER,
    SIM_BUS_FETCH, /* what mempoold asks */
    SIM_BUS_BODIES,
    SIM_BUS_CHANNELS,
};

struct sim_bus_word {
    uint64_t way; /* one direction of a connection; ^ 1: the other one */
    enum sim_bus_channel channel;
    uint32_t peer;     /* the validator at the other end */
    const char *topic; /* CONSENSUS; else "" */
    struct span bytes; /* borrowed for the call */
};

/* The ways that lead from a validator to others, without bytes and topic. Returns how many, capacity at most. */
size_t sim_bus_ways(struct sim_bus_word *out, size_t capacity, uint32_t from);
/* Send this on a way, past the hook; lost when its connection has ended. */
void sim_bus_say(uint64_t way, const char *topic, struct span bytes);
/* As if the validator's own ingestd sent it to its mempoold. */
void sim_bus_submit(uint32_t validator, struct span frame);
