/* twins_choices.c - choices, renamings, and the least of a class. */
#include "tests/sim/twins_choices.h"

#include <string.h>

#include "common/base/genesis.h"

static void add_symmetries(struct twins_choices *self, uint8_t *perm, uint32_t at)
{
    if (at == self->honest) {
        for (int swap = 0; swap < 2; swap++) {
            struct twins_symmetry *each = &self->symmetries[self->symmetry_count++];
            memcpy(each->perm, perm, self->honest);
            each->swap = swap != 0;
        }
        return;
    }
    for (uint32_t i = at; i < self->honest; i++) {
        uint8_t held = perm[at];
        perm[at] = perm[i];
        perm[i] = held;
        add_symmetries(self, perm, at + 1);
        perm[i] = perm[at];
        perm[at] = held;
    }
}

/* Instances: 0 and `validators` are the copies, 1 .. honest the others. */
struct twins_choice twins_choices_renamed(const struct twins_choices *self, const struct twins_symmetry *symmetry,
                                          struct twins_choice choice)
{
    uint32_t second = self->validators;
    struct twins_choice out = {.leader = choice.leader ? (uint32_t)symmetry->perm[choice.leader - 1] + 1 : 0};
    for (uint32_t i = 0; i < self->honest; i++)
        out.sides |= ((choice.sides >> (i + 1)) & 1) << (symmetry->perm[i] + 1);
    out.sides |= choice.sides & (1u << second);
    if (symmetry->swap && (choice.sides >> second) & 1) {
        /* The copies stood on different sides: seen from the other one, the honest change theirs. */
        uint32_t honest_bits = ((1u << self->honest) - 1) << 1;
        out.sides ^= honest_bits;
    }
    return out;
}

static uint32_t code(struct twins_choice choice)
{
    return choice.leader << 16 | choice.sides;
}

static bool has_quorum(const struct twins_choices *self, uint32_t sides, uint32_t side)
{
    uint32_t keys = side == 0 || (sides >> self->validators & 1) == side ? 1 : 0;
    for (uint32_t i = 1; i <= self->honest; i++)
        keys += (sides >> i & 1) == side ? 1 : 0;
    return keys >= self->quorum;
}

void twins_choices_init(struct twins_choices *self, uint32_t validators, uint32_t quorum)
{
    uint8_t perm[TWINS_HONEST_MAX] = {0, 1, 2, 3, 4};
    *self = (struct twins_choices){.validators = validators, .honest = validators - 1, .quorum = quorum};
    add_symmetries(self, perm, 0);
    for (uint32_t leader = 0; leader <= self->honest; leader++) {
        for (uint32_t sides = 0; sides < 2u << validators; sides += 2) {
            if (has_quorum(self, sides, 0) || has_quorum(self, sides, 1))
                self->choices[self->choice_count++] = (struct twins_choice){.leader = leader, .sides = sides};
        }
    }
}

bool twins_choices_least(const struct twins_choices *self, struct twins_choice choice,
                         const struct twins_symmetry *symmetries, uint32_t count, struct twins_symmetry *kept,
                         uint32_t *kept_count)
{
    *kept_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t image = code(twins_choices_renamed(self, &symmetries[i], choice));
        if (image < code(choice))
            return false;
        if (image == code(choice))
            kept[(*kept_count)++] = symmetries[i];
    }
    return true;
}

void twins_choices_to_least(const struct twins_choices *self, struct twins_choice *choices, uint32_t views)
{
    struct twins_choice least[TWINS_VIEWS_MAX];
    memcpy(least, choices, views * sizeof *choices);
    for (uint32_t i = 0; i < self->symmetry_count; i++) {
        struct twins_choice image[TWINS_VIEWS_MAX];
        uint32_t v = 0;
        for (uint32_t k = 0; k < views; k++)
            image[k] = twins_choices_renamed(self, &self->symmetries[i], choices[k]);
        while (v < views && code(image[v]) == code(least[v]))
            v++;
        if (v < views && code(image[v]) < code(least[v]))
            memcpy(least, image, views * sizeof *image);
    }
    memcpy(choices, least, views * sizeof *choices);
}

void twins_choices_apply(const struct twins_choices *self, struct twins_choice choice, struct twins_view *out)
{
    out->leader = choice.leader;
    for (uint32_t i = 0; i <= self->validators && i < TWINS_INSTANCES_MAX; i++)
        out->side[i] = choice.sides >> i & 1;
}
