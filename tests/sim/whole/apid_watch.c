/* apid_watch.c - services/apid/watch.h on virtual time. */
#include "services/apid/watch.h"

#include "tests/sim/whole/world.h"

enum { PERIOD_MS = 1000 };

struct watch {
    struct database *database;
    int rc;
    int64_t height;
};

static void look(void *thing, uint64_t number)
{
    struct watch *self = thing;
    self->rc = database_height(self->database, &self->height);
    world_at(&(struct world_event){.at_us = world_now_us() + PERIOD_MS * WORLD_MS,
                                   .process = world.current,
                                   .aside = true,
                                   .run = look,
                                   .thing = self});
}

int watch_new(struct watch **out, struct database *database)
{
    struct watch *self = must(calloc(1, sizeof *self));
    *self = (struct watch){.database = database, .height = -1};
    look(self, 0);
    *out = self;
    return 0;
}

/* With the process's life its looks end, too. */
void watch_destroy(struct watch **self)
{
    if (!self || !*self)
        return;
    free(*self);
    *self = NULL;
}

int watch_height(struct watch *self, int64_t *height)
{
    if (self->rc == 0)
        *height = self->height;
    return self->rc;
}
