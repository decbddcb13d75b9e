/* scenario.c - the faults of a seed. Each seed draws which kinds it has at all (a run with everything at once is poor
 * at finding what needs one kind alone), how often, and how bad.
 */
#include "tests/sim/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/cluster.h"
#include "tests/sim/liar.h"

enum {
    ACTIONS = 200,
    ACTION_GAP_MS_MAX = 700,
    WALL_SKEW_MS_MAX = 4000,
    HEALED_SKEW_MS_MAX = 1000,
    CALM_MS = 5000, /* for what is under way when everything is committed */
    IDLE_MS = 10000
};

struct scenario {
    struct cluster *cluster;
    uint64_t random;
    uint32_t n;
    uint32_t faults_max; /* f */
    bool quiet;          /* nothing happened when there was no work */
    bool pairs;          /* transactions that share a nonce are among those submitted */
};

static uint64_t draw(struct scenario *self, uint64_t count)
{
    self->random = self->random * 6364136223846793005u + 1442695040888963407u;
    return count ? (self->random >> 33) % count : 0;
}

static uint32_t any(struct scenario *self)
{
    return (uint32_t)draw(self, self->n);
}

/* --- one kind of fault each --------------------------------------------------------------------------------------- */

static void submit(struct scenario *self)
{
    uint32_t count = 1 + (uint32_t)draw(self, 20);
    if (self->pairs && draw(self, 2) == 0)
        cluster_submit_pairs(self->cluster, count);
    else
        cluster_submit(self->cluster, count);
}

static void crash(struct scenario *self)
{
    cluster_crash(self->cluster, any(self));
}

static void crash_at_effect(struct scenario *self)
{
    cluster_crash_at_effect(self->cluster, any(self), (uint32_t)draw(self, 40));
}

static void crash_all(struct scenario *self)
{
    for (uint32_t i = 0; i < self->n; i++)
        cluster_crash(self->cluster, i);
    cluster_run(self->cluster, 1 + draw(self, 200));
    for (uint32_t i = 0; i < self->n; i++)
        cluster_restart(self->cluster, i);
}

static void restart(struct scenario *self)
{
    cluster_restart(self->cluster, any(self));
}

static void cut_link(struct scenario *self)
{
    cluster_cut(self->cluster, any(self), any(self), true);
}

static void cut_one_way(struct scenario *self)
{
    cluster_cut_one_way(self->cluster, any(self), any(self), true);
}

/* One hears all and is heard by nobody, or the other way round. */
static void isolate_one_way(struct scenario *self)
{
    uint32_t one = any(self);
    bool deaf = draw(self, 2) == 0;
    for (uint32_t i = 0; i < self->n; i++)
        cluster_cut_one_way(self->cluster, deaf ? i : one, deaf ? one : i, true);
}

static void partition(struct scenario *self)
{
    uint64_t side = draw(self, UINT64_C(1) << self->n);
    for (uint32_t a = 0; a < self->n; a++) {
        for (uint32_t b = 0; b < self->n; b++)
            cluster_cut_one_way(self->cluster, a, b, ((side >> a) & 1) != ((side >> b) & 1));
    }
}

static void mend(struct scenario *self)
{
    cluster_mend(self->cluster);
}

static void clog_links(struct scenario *self)
{
    uint32_t from = any(self);
    for (uint32_t to = 0; to < self->n; to++) {
        if (draw(self, 2) == 0)
            cluster_clog(self->cluster, from, to, 1 + draw(self, 5000));
    }
}

static void slow_disk(struct scenario *self)
{
    static const uint64_t speeds[] = {0, 5, 50, 500, 3000};
    cluster_set_disk(self->cluster, any(self), speeds[draw(self, 5)]);
}

static void slow_executor(struct scenario *self)
{
    static const uint64_t speeds[] = {1, 5, 50, 1000, 10000};
    cluster_set_executor(self->cluster, any(self), speeds[draw(self, 5)], (uint32_t)draw(self, 2) * 300000);
}

static void reset_executor(struct scenario *self)
{
    cluster_reset_executor(self->cluster, any(self));
}

static void jump_clock(struct scenario *self)
{
    cluster_set_wall_skew(self->cluster, any(self), (int64_t)draw(self, 2 * WALL_SKEW_MS_MAX + 1) - WALL_SKEW_MS_MAX);
}

static void change_network(struct scenario *self)
{
    static const uint64_t delays[] = {1, 3, 30, 100, 400};
    cluster_set_delay(self->cluster, 1, 1 + delays[draw(self, 5)]);
    cluster_set_loss(self->cluster, (uint32_t)draw(self, 5) * 60000);
    cluster_set_duplicates(self->cluster, (uint32_t)draw(self, 3) * 50000, draw(self, 2) ? 100 : 10000);
}

typedef void action_fn(struct scenario *self);

/* The first ones happen in every run: there is work, and what broke comes back, or the run is a standstill. */
static action_fn *const actions[] = {
    submit,    submit,    restart,    restart,       restart,         mend,           mend,       crash,
    crash,     crash_all, cut_link,   cut_one_way,   isolate_one_way, partition,      clog_links, crash_at_effect,
    slow_disk, slow_disk, jump_clock, slow_executor, reset_executor,  change_network,
};
enum { ACTION_COUNT = sizeof actions / sizeof actions[0], ALWAYS = (1 << 7) - 1 };

/* --- the run ------------------------------------------------------------------------------------------------------ */

static struct cluster_options choose_options(struct scenario *self, const struct scenario_options *options)
{
    static const uint64_t delays[] = {1, 3, 10, 50};
    bool liars = options->faults == SCENARIO_LIARS || (options->faults == SCENARIO_BY_SEED && draw(self, 2) == 0);
    uint32_t lies = draw(self, 3) == 0 ? LIE_ALL : (uint32_t)draw(self, LIE_ALL) + 1;
    return (struct cluster_options){.seed = options->seed,
                                    .validator_count = self->n,
                                    .delay_ms_min = 1,
                                    .delay_ms_max = 1 + delays[draw(self, 4)],
                                    .loss_ppm = (uint32_t)draw(self, 3) * 30000,
                                    .duplicate_ppm = (uint32_t)draw(self, 3) * 50000,
                                    .liar_count = liars ? 1 + (uint32_t)draw(self, self->faults_max) : 0,
                                    .lies = lies,
                                    .epoch_blocks = draw(self, 3) == 0 ? 0 : 2 + (uint32_t)draw(self, 6),
                                    .clock_drift_ppt_max = draw(self, 2) ? 20 : 0,
                                    .trace = options->trace};
}

static void faults(struct scenario *self)
{
    uint64_t enabled = draw(self, UINT64_C(1) << ACTION_COUNT) | ALWAYS;
    uint64_t gap_ms_max = 20 + draw(self, ACTION_GAP_MS_MAX);
    for (int i = 0; i < ACTIONS && cluster_violation(self->cluster)[0] == '\0'; i++) {
        uint64_t action = draw(self, ACTION_COUNT);
        if ((enabled >> action) & 1)
            actions[action](self);
        cluster_run(self->cluster, 1 + draw(self, gap_ms_max));
    }
}

/* Everything works again, but for at most f validators, liars among them, that stay as they are. */
static void heal(struct scenario *self)
{
    struct cluster *cluster = self->cluster;
    cluster_mend(cluster);
    cluster_set_loss(cluster, 0);
    cluster_set_duplicates(cluster, 0, 0);
    cluster_set_delay(cluster, 1, 1 + draw(self, 50));
    uint32_t liars = 0;
    for (uint32_t i = 0; i < self->n; i++)
        liars += cluster_is_liar(cluster, i);
    uint32_t dead_max = (uint32_t)draw(self, self->faults_max - liars + 1);
    uint32_t first = any(self);
    for (uint32_t k = 0; k < self->n; k++) {
        uint32_t i = (first + k) % self->n;
        cluster_set_disk(cluster, i, draw(self, 3) * 2);
        cluster_set_executor(cluster, i, 1 + draw(self, 10), 0);
        cluster_set_wall_skew(cluster, i, (int64_t)draw(self, 2 * HEALED_SKEW_MS_MAX + 1) - HEALED_SKEW_MS_MAX);
        if (dead_max > 0 && !cluster_is_up(cluster, i) && !cluster_is_liar(cluster, i))
            dead_max--;
        else
            cluster_restart(cluster, i);
    }
    submit(self);
}

/* What must not grow while there is nothing to do: views, heights and messages but heartbeats. A liar makes others
 * speak, so then only the timeouts of honest validators count. */
static uint64_t activity(const struct scenario *self, bool liars)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < self->n; i++) {
        const struct cluster *cluster = self->cluster;
        if (!cluster_is_up(cluster, i) || cluster_is_liar(cluster, i))
            continue;
        sum += cluster_timeouts(cluster, i);
        if (!liars)
            sum += cluster_view(cluster, i) + cluster_height(cluster, i) + cluster_talk(cluster, i);
    }
    return sum;
}

/* Everything is committed: from now on there are heartbeats and nothing else. A liar can still end one view in which
 * honest validators had timed out while there was work; in the next one nobody has. */
static bool is_quiet(struct scenario *self)
{
    bool liars = false;
    for (uint32_t i = 0; i < self->n; i++)
        liars = liars || cluster_is_liar(self->cluster, i);
    cluster_run(self->cluster, CALM_MS);
    uint64_t before = activity(self, liars);
    cluster_run(self->cluster, IDLE_MS);
    return activity(self, liars) <= before + (liars ? self->n : 0);
}

static void report(struct scenario *self, struct scenario_result *out, const struct scenario_options *options)
{
    const char *violation = cluster_violation(self->cluster);
    if (violation[0] != '\0')
        snprintf(out->failure, sizeof out->failure, "%s", violation);
    else if (out->settle_ms == UINT64_MAX)
        snprintf(out->failure, sizeof out->failure, "no progress after healing: seed %llu, %u validators",
                 (unsigned long long)options->seed, self->n);
    else if (!self->quiet)
        snprintf(out->failure, sizeof out->failure, "not quiet without work: seed %llu, %u validators",
                 (unsigned long long)options->seed, self->n);
    if (out->failure[0] != '\0')
        cluster_print(self->cluster);
    out->fingerprint = cluster_fingerprint(self->cluster);
    out->steps = cluster_steps(self->cluster);
    for (uint32_t i = 0; i < self->n; i++) {
        if (cluster_height(self->cluster, i) > out->heights)
            out->heights = cluster_height(self->cluster, i);
    }
}

void scenario_run(struct scenario_result *out, const struct scenario_options *options)
{
    static const uint32_t sizes[] = {4, 5, 5, 7};
    struct scenario self = {.random = options->seed * 6364136223846793005u + 1442695040888963407u};
    draw(&self, 1);
    uint32_t size = sizes[draw(&self, 4)];
    self.n = options->validator_count ? options->validator_count : size;
    self.faults_max = (self.n - 1) / 3;
    struct cluster_options cluster_options = choose_options(&self, options);
    *out = (struct scenario_result){0};
    if (cluster_new(&self.cluster, &cluster_options) < 0)
        abort();
    self.pairs = draw(&self, 2) == 0;
    submit(&self);
    faults(&self);
    out->settle_ms = UINT64_MAX;
    if (cluster_violation(self.cluster)[0] == '\0') {
        heal(&self);
        out->settle_ms = cluster_settle(self.cluster, SCENARIO_SETTLE_MS_MAX);
        self.quiet = out->settle_ms != UINT64_MAX && is_quiet(&self);
    }
    report(&self, out, options);
    cluster_destroy(&self.cluster);
}
