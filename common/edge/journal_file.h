/* journal_file.h - the one write of a journal, for journal.c. */
#pragma once

#include "common/edge/journal.h"

/* Write the first `size` bytes of self->slot_ to a slot's place, synced. Returns 0 or -errno. */
MUST_USE int journal_file_write(const struct journal *self, size_t size, uint32_t slot);
