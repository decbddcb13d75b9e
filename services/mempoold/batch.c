/* batch.c - two walks choose, a third one writes down.
 *
 * First every producer gets up to its quota, in mempool order; then what room is left goes to whoever is next in that
 * order. A batch that everything fits into is done after the first walk. Proofs of equivocation have no producer and no
 * quota; they are few, and first.
 */
#include "services/mempoold/batch.h"

#include <assert.h>

#include "services/mempoold/fairness.h"

void batch_begin(struct bodies *bodies)
{
    fairness_batch_begin(bodies_fairness(bodies));
}

void batch_exclude(struct bodies *bodies, const struct hash *id, uint64_t number)
{
    struct body *body = bodies_find(bodies, id);
    if (!body || body->state == BODY_RECENT || body->excluded_batch == number)
        return;
    body->excluded_batch = number;
    if (body->producer)
        fairness_batch_exclude(body->producer, body->size);
}

static bool room_take(struct fairness_room *room, size_t bytes)
{
    if (room->tx_count == 0 || room->tx_bytes < bytes)
        return false;
    room->tx_count--;
    room->tx_bytes -= bytes;
    return true;
}

/* Take what is within the quota and fits. */
static void choose(struct bodies *bodies, uint64_t number, struct fairness_room quota, struct fairness_room *room)
{
    for (struct body *body = bodies_first(bodies); body && room->tx_count > 0; body = bodies_next(body)) {
        if (body->excluded_batch == number || body->taken_batch == number)
            continue;
        bool fits = !body->producer || fairness_batch_fits(body->producer, quota, body->size);
        if (!fits || !room_take(room, body->size))
            continue;
        body->taken_batch = number;
        if (body->producer)
            fairness_batch_take(body->producer, body->size);
    }
}

size_t batch_take(struct bodies *bodies, const struct batch_request *request, struct span *out)
{
    assert(request->number > 0);
    struct fairness_room room_all = {.tx_count = request->tx_count_max, .tx_bytes = request->tx_bytes_max};
    struct fairness_room quota = fairness_batch_quota(bodies_fairness(bodies), room_all);
    struct fairness_room no_quota = {.tx_count = UINT64_MAX, .tx_bytes = UINT64_MAX};

    struct fairness_room room = room_all;
    choose(bodies, request->number, quota, &room);
    if (quota.tx_count != UINT64_MAX || quota.tx_bytes != UINT64_MAX)
        choose(bodies, request->number, no_quota, &room);

    size_t taken_count = (size_t)(room_all.tx_count - room.tx_count);
    size_t count = 0;
    for (struct body *body = bodies_first(bodies); body && count < taken_count; body = bodies_next(body)) {
        if (body->taken_batch == request->number)
            out[count++] = body_span(body);
    }
    assert(count == taken_count);
    return count;
}

size_t batch_take_oldest(const struct bodies *bodies, const struct batch_request *request, struct span *out)
{
    struct fairness_room room = {.tx_count = request->tx_count_max, .tx_bytes = request->tx_bytes_max};
    size_t count = 0;
    for (struct body *body = bodies_oldest(bodies); body && room_take(&room, body->size); body = body->newer)
        out[count++] = body_span(body);
    return count;
}
