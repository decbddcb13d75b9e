/* bus.h - what the virtual loop and the virtual bus say to each other. */
#pragma once

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
