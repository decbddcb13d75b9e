/* jolteon.pml - can two conflicting blocks be final? The rules for votes, timeouts and commits, with one liar.
 *
 * Validators 0 .. HONEST-1 obey the rules; one more lies. The liar signs everything for everybody at any time, knows
 * every message, leads every view, and decides who hears what and when. So it appears nowhere as a process: a
 * certificate exists as soon as NEED = quorum - 1 honest validators have signed, and every choice below is the liar's.
 *
 * A block is named by its view and a variant (0 or 1: a leader may propose two blocks in a view). It comes into being
 * with its first vote. All that an honest validator remembers is what it has on disk: last_voted_view and the view of its
 * lock. What it learned since may be forgotten at any time, so restarts need no step of their own.
 *
 * What a validator does in a view depends on certificates of lower views, on timeouts of the view before, and on what it
 * did itself. So every run can be sorted by view without changing what is certified, and unless ANY_ORDER is given
 * validators act view by view.
 *
 * docs/model.md tells what is left out and why. The switches below break one rule each; every one must lead to a fork.
 */

#ifndef VIEWS
#define VIEWS 4
#endif
#ifndef HONEST
#define HONEST 3
#endif
#define N (HONEST + 1)
#define FAULTS ((N - 1) / 3)
#ifdef SMALL_QUORUM
#define QUORUM ((N + FAULTS) / 2)
#else
#define QUORUM ((N + FAULTS) / 2 + 1)
#endif
#define NEED (QUORUM - 1)

#define BLOCKS (2 * VIEWS + 1)
#define GENESIS 0
#define VIEW_OF(block) (((block) + 1) / 2)
#define BLOCK_AT(view, variant) (2 * (view) - 1 + (variant))
#define NEVER 255
#define NAME(block) ('b' - (block) % 2) /* for the trace: block 3a, block 3b; genesis is block 0b */

byte last_voted[HONEST]; /* view */
byte lock[HONEST];       /* view of the highest certificate */
byte timed_out[(VIEWS + 1) * HONEST]; /* [view * HONEST + validator]: the high_qc_view signed first, the lowest; NEVER */
byte parent[BLOCKS];     /* of a block that somebody voted for; NEVER: there is none */
byte votes[BLOCKS];      /* honest signers, one bit each */
bool certified[BLOCKS];
byte final;              /* the highest block that somebody may call final */
#ifdef ANY_ORDER
#define TURN(i, view) true
#else
byte now = 1; /* the view in which validators act, one after the other */
byte turn;
#define TURN(i, view) (turn == (i) && now == (view))
#endif

/* Honest timeouts for the view that name a certificate of at most this view. */
#define SIGNED(view, i, at_most) (timed_out[(view) * HONEST + (i)] <= (at_most))
#if HONEST == 3
#define TIMEOUTS(view, at_most) (SIGNED(view, 0, at_most) + SIGNED(view, 1, at_most) + SIGNED(view, 2, at_most))
#define COUNT(set) (((set) & 1) + (((set) >> 1) & 1) + (((set) >> 2) & 1))
#else
#define TIMEOUTS(view, at_most) \
    (SIGNED(view, 0, at_most) + SIGNED(view, 1, at_most) + SIGNED(view, 2, at_most) + SIGNED(view, 3, at_most))
#define COUNT(set) (((set) & 1) + (((set) >> 1) & 1) + (((set) >> 2) & 1) + (((set) >> 3) & 1))
#endif

/* A TC of the view exists. */
#define TC(view) (TIMEOUTS(view, NEVER - 1) >= NEED)

/* A TC of the view exists under which a block on a certificate of view `justify` may be proposed: justify is at least
 * every high_qc_view in it. The liar's own word in it is 0. */
#ifdef NO_TC_MAXIMUM
#define TC_ALLOWS(view, justify) TC(view)
#else
#define TC_ALLOWS(view, justify) (TIMEOUTS(view, justify) >= NEED)
#endif

#ifdef NO_CONSECUTIVE_VIEWS
#define FINAL_BY(block, child) true
#else
#define FINAL_BY(block, child) (VIEW_OF(block) + 1 == VIEW_OF(child))
#endif

/* "B.view > last_voted_view" */
#ifdef NO_LAST_VOTED_VIEW
#define MAY_VOTE_IN(i, view) true
#else
#define MAY_VOTE_IN(i, view) ((view) > last_voted[i])
#endif

/* "A timeout for view v is signed with the highest QC's view" */
#ifdef LOCK_FORGOTTEN
#define LOCKED_AT_MOST(i, qc_view) true
#else
#define LOCKED_AT_MOST(i, qc_view) ((qc_view) >= lock[i])
#endif

#define MAXIMUM(a, b) ((a) > (b) -> (a) : (b))

/* The block is certified: its parent may be final. Two final blocks must be on one chain. */
inline certify(block)
{
    certified[block] = true;
    printf("  block %d%c is certified\n", VIEW_OF(block), NAME(block));
    if
    :: parent[block] != GENESIS && FINAL_BY(parent[block], block) ->
        low = (parent[block] > final -> final : parent[block]);
        high = MAXIMUM(parent[block], final);
        printf("  block %d%c is final\n", VIEW_OF(parent[block]), NAME(parent[block]));
        final = high;
        do
        :: VIEW_OF(high) > VIEW_OF(low) -> high = parent[high]
        :: else -> break
        od;
        assert(high == low); /* no fork */
        low = 0;
        high = 0
    :: else -> skip
    fi
}

/* Validator i votes for the block on its parent `on`. Taking the certificate in raises the lock. */
inline vote(i, block, on)
{
    parent[block] = on;
    printf("view %d: validator %d votes for block %d%c on block %d%c\n", VIEW_OF(block), i, VIEW_OF(block), NAME(block),
           VIEW_OF(on), NAME(on));
    votes[block] = votes[block] | (1 << i);
    lock[i] = MAXIMUM(lock[i], VIEW_OF(on));
    last_voted[i] = MAXIMUM(last_voted[i], VIEW_OF(block));
    if
    :: COUNT(votes[block]) >= NEED -> certify(block)
    :: else -> skip
    fi
}

/* What the vote rule asks for: in the block's view, above last_voted_view, on a certified parent of the view before, or
 * under a TC of the view before that allows the parent. */
#define VOTE_RULE(i, block, on) \
    (TURN(i, VIEW_OF(block)) && !certified[block] && MAY_VOTE_IN(i, VIEW_OF(block)) && lock[i] < VIEW_OF(block) && VIEW_OF(on) < VIEW_OF(block) && \
     certified[on] && (parent[block] == NEVER || parent[block] == (on)) && (votes[block] & (1 << (i))) == 0 && \
     (VIEW_OF(on) + 1 == VIEW_OF(block) || TC_ALLOWS(VIEW_OF(block) - 1, VIEW_OF(on))))

/* Variant 1 comes after variant 0: their names mean nothing. */
#define NAME_RULE(block) ((block) % 2 == 1 || parent[(block) - 1] != NEVER)

#define CERTIFIED_VIEW(view) \
    ((view) == 0 || certified[BLOCK_AT(view, 0)] || certified[BLOCK_AT(view, 1)])

/* Validator i signs a timeout of the view with a certificate of qc_view, the highest that it knows: its current view is
 * this one because of that certificate, or because of a TC. Only the first timeout of a view is kept: later ones name
 * newer certificates, which serve the liar less. */
#define TIMEOUT_RULE(i, view, qc_view) \
    (TURN(i, view) && (view) < VIEWS && timed_out[(view) * HONEST + (i)] == NEVER && (view) >= last_voted[i] && (qc_view) < (view) && \
     LOCKED_AT_MOST(i, qc_view) && CERTIFIED_VIEW(qc_view) && ((qc_view) + 1 == (view) || TC((view) - 1)))

inline time_out(i, view, qc_view)
{
    timed_out[(view) * HONEST + (i)] = qc_view;
    printf("view %d: validator %d times out with the certificate of view %d\n", view, i, qc_view);
    lock[i] = MAXIMUM(lock[i], qc_view);
#ifndef VOTE_AFTER_TIMEOUT
    last_voted[i] = view
#endif
}

/* Every choice of a block and a parent, and of a view and a certificate, spelled out: a guard that is false costs nothing,
 * while a choice made at random and then refused would cost a step. */
#define TRY_VOTE(i, block, on) \
    :: d_step { NAME_RULE(block) && VOTE_RULE(i, block, on) -> vote(i, block, on) }
#define TRY_TIMEOUT(i, view, qc_view) :: d_step { TIMEOUT_RULE(i, view, qc_view) -> time_out(i, view, qc_view) }

#define ON_VIEW(i, block, view) TRY_VOTE(i, block, BLOCK_AT(view, 0)) TRY_VOTE(i, block, BLOCK_AT(view, 1))
#define BELOW_1(i, block) TRY_VOTE(i, block, GENESIS)
#define BELOW_2(i, block) BELOW_1(i, block) ON_VIEW(i, block, 1)
#define BELOW_3(i, block) BELOW_2(i, block) ON_VIEW(i, block, 2)
#define BELOW_4(i, block) BELOW_3(i, block) ON_VIEW(i, block, 3)
#define BELOW_5(i, block) BELOW_4(i, block) ON_VIEW(i, block, 4)

#define BELOW_6(i, block) BELOW_5(i, block) ON_VIEW(i, block, 5)

#define IN_VIEW_1(i) BELOW_1(i, BLOCK_AT(1, 0)) BELOW_1(i, BLOCK_AT(1, 1)) TRY_TIMEOUT(i, 1, 0)
#define IN_VIEW_2(i) \
    BELOW_2(i, BLOCK_AT(2, 0)) BELOW_2(i, BLOCK_AT(2, 1)) TRY_TIMEOUT(i, 2, 0) TRY_TIMEOUT(i, 2, 1)
#define IN_VIEW_3(i) \
    BELOW_3(i, BLOCK_AT(3, 0)) BELOW_3(i, BLOCK_AT(3, 1)) TRY_TIMEOUT(i, 3, 0) TRY_TIMEOUT(i, 3, 1) \
    TRY_TIMEOUT(i, 3, 2)
#define IN_VIEW_4(i) \
    BELOW_4(i, BLOCK_AT(4, 0)) BELOW_4(i, BLOCK_AT(4, 1)) TRY_TIMEOUT(i, 4, 0) TRY_TIMEOUT(i, 4, 1) \
    TRY_TIMEOUT(i, 4, 2) TRY_TIMEOUT(i, 4, 3)
#define IN_VIEW_5(i) \
    BELOW_5(i, BLOCK_AT(5, 0)) BELOW_5(i, BLOCK_AT(5, 1)) TRY_TIMEOUT(i, 5, 0) TRY_TIMEOUT(i, 5, 1) \
    TRY_TIMEOUT(i, 5, 2) TRY_TIMEOUT(i, 5, 3) TRY_TIMEOUT(i, 5, 4)
#define IN_VIEW_6(i) \
    BELOW_6(i, BLOCK_AT(6, 0)) BELOW_6(i, BLOCK_AT(6, 1)) TRY_TIMEOUT(i, 6, 0) TRY_TIMEOUT(i, 6, 1) \
    TRY_TIMEOUT(i, 6, 2) TRY_TIMEOUT(i, 6, 3) TRY_TIMEOUT(i, 6, 4) TRY_TIMEOUT(i, 6, 5)

#if VIEWS == 2
#define STEPS(i) IN_VIEW_1(i) IN_VIEW_2(i)
#elif VIEWS == 3
#define STEPS(i) IN_VIEW_1(i) IN_VIEW_2(i) IN_VIEW_3(i)
#elif VIEWS == 4
#define STEPS(i) IN_VIEW_1(i) IN_VIEW_2(i) IN_VIEW_3(i) IN_VIEW_4(i)
#elif VIEWS == 5
#define STEPS(i) IN_VIEW_1(i) IN_VIEW_2(i) IN_VIEW_3(i) IN_VIEW_4(i) IN_VIEW_5(i)
#else
#define STEPS(i) IN_VIEW_1(i) IN_VIEW_2(i) IN_VIEW_3(i) IN_VIEW_4(i) IN_VIEW_5(i) IN_VIEW_6(i)
#endif

/* All have done what they do in this view. What nothing can depend on any more is forgotten: timeouts of the view
 * before, votes that made no certificate, and last_voted_view, which is below the next view whatever it is. */
inline next_view()
{
    for (i : 0 .. HONEST - 1) {
        timed_out[(now - 1) * HONEST + i] = NEVER;
        last_voted[i] = 0
    }
    for (i : 0 .. 1) {
        votes[BLOCK_AT(now, i)] = 0;
        if
        :: !certified[BLOCK_AT(now, i)] -> parent[BLOCK_AT(now, i)] = NEVER
        :: else -> skip
        fi
    }
    i = 0;
    turn = 0;
    now++
}

init {
    byte i, low, high;
    d_step {
        for (i : 0 .. BLOCKS - 1) {
            parent[i] = NEVER
        }
        for (i : 0 .. (VIEWS + 1) * HONEST - 1) {
            timed_out[i] = NEVER
        }
        certified[GENESIS] = true;
        i = 0
    }
end:
    do
    STEPS(0)
    STEPS(1)
    STEPS(2)
#if HONEST > 3
    STEPS(3)
#endif
#ifndef ANY_ORDER
    :: d_step { turn < HONEST -> turn++ }
    :: d_step { turn == HONEST && now < VIEWS -> next_view() }
#endif
    od
}
