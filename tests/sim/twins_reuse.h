/* twins_reuse.h - sim_twins' cores use memory again; off: each is made anew. Not to be switched while a core lives. */
#pragma once

#include <stdbool.h>

extern bool twins_reuse_off;
