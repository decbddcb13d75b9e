/* version.c - one executed block. */
#include "services/executord/version.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* The content in one piece of memory: this, its arrays, then the bytes. */
struct content {
    struct version_content content; /* first: what the version points at */
    struct state_change *changes;
    struct span spans[]; /* bodies, then receipts */
};

static struct content *content_of(const struct version *self)
{
    return (struct content *)self->content;
}

static size_t spans_bytes(const struct span *spans, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += spans[i].size;
    return bytes;
}

static uint8_t *copy_spans(struct span *to, const struct span *from, size_t count, uint8_t *bytes)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes, from[i].data, from[i].size);
        to[i] = span_of(bytes, from[i].size);
        bytes += from[i].size;
    }
    return bytes;
}

static int by_key(const void *a, const void *b)
{
    struct span first = state_leaf_key(((const struct state_change *)a)->leaf);
    struct span second = state_leaf_key(((const struct state_change *)b)->leaf);
    size_t common = first.size < second.size ? first.size : second.size;
    int order = memcmp(first.data, second.data, common);
    if (order != 0)
        return order;
    return (first.size > second.size) - (first.size < second.size);
}

static int content_new(struct content **out, const struct execution_result *result)
{
    size_t tx_count = result->tx_count;
    size_t changes_bytes = result->change_count * sizeof(struct state_change);
    size_t bytes = spans_bytes(result->bodies, tx_count) + spans_bytes(result->receipts, tx_count);
    struct content *content = malloc(sizeof *content + 2 * tx_count * sizeof content->spans[0] + changes_bytes + bytes);
    if (!content)
        return -ENOMEM;
    struct span *bodies = content->spans;
    struct span *receipts = content->spans + tx_count;
    content->changes = (struct state_change *)(void *)(content->spans + 2 * tx_count);
    uint8_t *data = (uint8_t *)content->changes + changes_bytes;
    data = copy_spans(bodies, result->bodies, tx_count, data);
    copy_spans(receipts, result->receipts, tx_count, data);
    for (size_t i = 0; i < result->change_count; i++) {
        content->changes[i] = result->changes[i];
        state_keep(content->changes[i].leaf);
    }
    qsort(content->changes, result->change_count, sizeof content->changes[0], by_key);
    content->content = (struct version_content){
        .tx_count = result->tx_count,
        .bodies = bodies,
        .receipts = receipts,
        .changes = content->changes,
        .change_count = result->change_count,
    };
    *out = content;
    return 0;
}

int version_new(struct version **out, struct slab *slab, const struct block_header *header,
                struct execution_result *result, uint64_t parent_key_count)
{
    struct version *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    struct content *content;
    int rc = content_new(&content, result);
    if (rc < 0) {
        free(self);
        return rc;
    }
    self->header = *header;
    self->id = block_id(header);
    self->root = TAKE(result->root);
    self->expiry = TAKE(result->expiry);
    self->key_count = parent_key_count + (uint64_t)result->keys_added;
    self->content = &content->content;
    *out = self;
    return 0;
}

void version_forget_content(struct version *self, struct slab *slab)
{
    struct content *content = content_of(self);
    if (!content)
        return;
    for (size_t i = 0; i < content->content.change_count; i++)
        state_release(slab, content->changes[i].leaf);
    free(content);
    self->content = NULL;
}

void version_destroy(struct version **self, struct slab *slab)
{
    if (!self || !*self)
        return;
    version_forget_content(*self, slab);
    state_release(slab, (*self)->root);
    expiry_release(slab, (*self)->expiry);
    free(*self);
    *self = NULL;
}
