/* tally.c - a ring of views. */
#include "services/consensusd/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tally {
    uint32_t validator_count;
    struct tally_view views[TALLY_VIEWS];
};

int tally_new(struct tally **out, uint32_t validator_count)
{
    CLEANUP(tally_destroy) struct tally *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->validator_count = validator_count;
    for (size_t i = 0; i < TALLY_VIEWS; i++) {
        struct tally_view *view = &self->views[i];
        view->votes = calloc(validator_count, sizeof view->votes[0]);
        view->timeouts = calloc(validator_count, sizeof view->timeouts[0]);
        if (!view->votes || !view->timeouts)
            return -ENOMEM;
    }
    *out = TAKE(self);
    return 0;
}

void tally_destroy(struct tally **self)
{
    if (!self || !*self)
        return;
    for (size_t i = 0; i < TALLY_VIEWS; i++) {
        free((*self)->views[i].votes);
        free((*self)->views[i].timeouts);
    }
    free(*self);
    *self = NULL;
}

struct tally_view *tally_at(struct tally *self, uint64_t view)
{
    struct tally_view *slot = &self->views[view % TALLY_VIEWS];
    if (view < slot->view)
        return NULL;
    if (view > slot->view) {
        slot->view = view;
        slot->timeout_count = 0;
        memset(&slot->best_qc, 0, sizeof slot->best_qc);
        memset(slot->votes, 0, self->validator_count * sizeof slot->votes[0]);
        memset(slot->timeouts, 0, self->validator_count * sizeof slot->timeouts[0]);
    }
    return slot;
}

bool tally_qc(const struct tally *self, const struct tally_view *view, uint64_t height, const struct hash *block_id,
              uint32_t count, struct qc *out)
{
    uint32_t found = 0;
    out->view = view->view;
    out->height = height;
    out->block_id = *block_id;
    for (uint32_t i = 0; i < self->validator_count; i++) {
        const struct tally_vote *vote = &view->votes[i];
        if (!vote->known || vote->height != height || !hash_equal(&vote->block_id, block_id))
            continue;
        out->signatures[found++] = (struct cert_signature){.validator = i, .signature = vote->signature};
    }
    out->signature_count = found;
    return found >= count;
}

bool tally_tc(const struct tally *self, const struct tally_view *view, uint32_t count, struct tc *out)
{
    if (view->timeout_count < count)
        return false;
    uint32_t found = 0;
    for (uint32_t i = 0; i < self->validator_count; i++) {
        const struct tally_timeout *timeout = &view->timeouts[i];
        if (timeout->known)
            out->signatures[found++] = (struct tc_signature){
                .validator = i, .high_qc_view = timeout->high_qc_view, .signature = timeout->signature};
    }
    out->view = view->view;
    out->signature_count = found;
    out->high_qc = view->best_qc;
    return true;
}
