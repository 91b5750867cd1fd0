/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The association of two hosts under one key and suite (DESIGN.md section 6), for spin.
 *
 * First a storm: handshakes begin for any reason, hosts are killed, timers fire early or late, and
 * the network delivers what was ever sent as often and in what order it likes, to anybody, or
 * never. Then it is calm: what is sent from then on arrives once, and timers fire only when nothing
 * else happens. Noise and ESP are taken for perfect: nobody makes a message 2 or a packet of an SA
 * but the two hosts of its handshake.
 *
 * What here is what there (src/core):
 *
 *	host 0, host 1		the lower and the higher host id
 *	start[x]		assocs_config.start
 *	out[x]			a->attempts: one at a time, as there is one address
 *	next[x]			assocs.next_attempt
 *	conf[x]			a->confirmed_start and a->confirmed_attempt
 *	up[x], pstart[x]	a->up, a->peer_start
 *	using[x]		a->active
 *	known[x]		a->known: there is an address from an earlier time
 *	a pair p		a handshake that got as far as message 2
 *	STATE(p, x)		its sa_pair.state at x; NONE: x does not have it
 *	num[p], rstart[p]	start and attempt in its message 1, start in its message 2
 *
 *	begin()			assoc_connect()
 *	message1()		assocs_handshake1(), seen_before(), job_answer(), slot_take()
 *	message2()		assocs_handshake2(), assocs_finished()
 *	packet()		assocs_open(), pair_heard(), pair_insisted(), unknown_spi()
 *	confirm(), use()	pair_confirmed(), pair_use()
 *	drop_attempt(), expire() attempts_tick(), pair_tick()
 *	down(), DEAF		assoc_down(): LIVENESS_TRIES echoes had no answer
 *	HEARS			consider_group() of hosts.c: a DISCOVER of the other came
 *	RETRIES			assoc_tick()
 *
 * What must hold, beside the assertions below:
 *
 *	settles			once it is calm both soon send on one pair that both have, for good
 *
 * Each of these takes a rule away, and spin must then find a violation (tests/model/run):
 *
 *	-DNO_ATTEMPT_NUMBER	message 1 is not compared with the last one confirmed
 *	-DNO_CROSSING_RULE	the lower host answers although a handshake of its own is out
 *	-DNO_SLOT		there may be many half-open pairs
 *	-DNO_OWN_MESSAGE	a host takes its own message 1 for another's
 *	-DEARLY_SEND		the responder sends before a packet has opened
 *	-DNO_FOLLOWING		host 1 stays with the pair it confirmed last, whatever host 0 uses
 *	-DNO_DRAINING		what is replaced is gone at once
 *	-DNO_RECOVERY		nobody reacts to an unknown SPI, to silence or to a new start number
 */

#ifndef STARTS
#define STARTS 2 /* one more than there are restarts */
#endif
#ifndef STORM
#define STORM 1 /* message 1s of a host in the storm */
#endif
#ifndef CALM
#define CALM 2 /* and in the calm; an assertion says that they are enough */
#endif
#define PAIRS 6 /* in the storm a message 1 that would make more is lost */
#define NOT PAIRS /* no pair */

/* Numbers of message 1: a later one is greater, also over starts; 0: none. */
#define ATTEMPTS    (STORM + CALM + 2)
#define NUM(s, a)   ((s) * ATTEMPTS + (a))
#define START_OF(n) ((n) / ATTEMPTS)
#define NUMBERS     (STARTS * ATTEMPTS)

mtype = { NONE, HALF_OPEN, UNHEARD, ACTIVE, DRAINING };

bool calm;
byte moving; /* messages under way, in the calm */

byte start[2], next[2], out[2], begun[2];
bool old[2]; /* out since the storm, and not repeated any more */
byte conf[2], using[2] = NOT, pstart[2];
bool up[2], known[2];

byte num[PAIRS], rstart[PAIRS]; /* num 0: a free place */
bit begun_by[PAIRS]; /* who began it */
mtype state[2 * PAIRS] = NONE;
#define STATE(p, x) state[2 * (p) + (x)]

/* The network: in the storm what was ever sent, in the calm what is under way. */
bool net1[2 * NUMBERS], net2[PAIRS], dummy[2 * PAIRS], data[2 * PAIRS];
#define NET1(x, n)  net1[NUMBERS * (x) + (n)]
#define HAS1(x, n)  ((n) < NUMBERS && NET1(x, n))
#define DUMMY(p, x) dummy[2 * (p) + (x)] /* by x */
#define DATA(p, x)  data[2 * (p) + (x)]

/* Only for what must hold. */
bool installed[2 * PAIRS]; /* x had p at some time, */
bool trusted[2 * PAIRS];   /* and a packet opened on it */
byte across[PAIRS];	   /* number of the message 1 of host 0 that was out when it answered */
#define INSTALLED(p, x) installed[2 * (p) + (x)]
#define TRUSTED(p, x)	trusted[2 * (p) + (x)]

#define SHORT(p, x)	 (STATE(p, x) == HALF_OPEN || STATE(p, x) == UNHEARD)
#define OTHER(x)	 (1 - (x))
#define PEER_START(p, x) (begun_by[p] == (x) -> rstart[p] : START_OF(num[p]))

byte i, j, at; /* of the inlines; 0 between steps */

inline send(message)
{
	if
	:: calm && !message -> message = true; moving++
	:: else
	fi
}

/* --- what a host does --- */

inline drop_pair(p, x)
{
	if
	:: using[x] == p -> using[x] = NOT
	:: else
	fi;
	STATE(p, x) = NONE
}

inline begin(x)
{
	if
	:: out[x] == 0 ->
		next[x]++;
		begun[x]++;
		assert(begun[x] <= STORM + CALM); /* few attempts are enough */
		out[x] = NUM(start[x], next[x]);
		send(NET1(x, out[x]));
		NET1(x, out[x]) = true
	:: else
	fi
}

/* Message 1 is sent again as long as the attempt goes on, and so until the other can take it. */
inline repeat(x)
{
	if
	:: out[x] != 0 -> send(NET1(x, out[x]))
	:: else
	fi
}

inline drop_attempt(x)
{
	out[x] = 0;
	old[x] = false
}

inline down(x)
{
	i = 0;
	do
	:: i < PAIRS ->
		drop_pair(i, x);
		i++
	:: else -> break
	od;
	i = 0;
	drop_attempt(x);
	up[x] = false;
	pstart[x] = 0
}

/* at: the pair in the half-open slot of x, of which there is one, or NOT. */
inline find_half_open(x)
{
	i = 0;
	at = NOT;
	do
	:: i < PAIRS ->
		if
		:: STATE(i, x) == HALF_OPEN ->
			assert(at == NOT);
			at = i
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

#ifdef NO_OWN_MESSAGE
#define OWN(x, y) false
#else
#define OWN(x, y) ((x) == (y))
#endif
#ifdef NO_ATTEMPT_NUMBER
#define REPLAYED(x, n) false
#else
#define REPLAYED(x, n) ((n) <= conf[x])
#endif
#ifdef NO_CROSSING_RULE
#define CROSSES(x) false
#else
#define CROSSES(x) ((x) == 0 && out[x] != 0)
#endif
#define BUSY(p, n) ((p) != NOT && num[p] > (n))

inline find_free()
{
	at = 0;
	do
	:: at < PAIRS && num[at] != 0 -> at++
	:: else -> break
	od
}

inline replace(q, x)
{
#ifdef NO_DRAINING
	drop_pair(q, x)
#else
	STATE(q, x) = DRAINING
#endif
}

inline drop_other_starts(p, x)
{
	i = 0;
	do
	:: i < PAIRS ->
		if
		:: STATE(i, x) != NONE && PEER_START(i, x) != PEER_START(p, x) -> drop_pair(i, x)
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* From now on x sends on p; what it replaces only receives. */
inline use(p, x)
{
	assert(INSTALLED(p, OTHER(x))); /* both took part in its handshake */
	if
	:: using[x] != NOT ->
		at = using[x];
		replace(at, x);
		at = 0
	:: else
	fi;
	STATE(p, x) = ACTIVE;
	using[x] = p;
	up[x] = true;
	known[x] = true;
	pstart[x] = PEER_START(p, x);
	drop_other_starts(p, x)
}

inline fill_slot(x, y, n)
{
	begun_by[at] = y;
	num[at] = n;
	rstart[at] = start[x];
	STATE(at, x) = HALF_OPEN;
	INSTALLED(at, x) = true;
	across[at] = (x == 0 -> out[x] : 0);
	send(net2[at]);
#ifdef EARLY_SEND
	j = at;
	use(j, x);
	j = 0;
#endif
	find_half_open(x)
}

inline take_slot(x, y, n)
{
#ifndef NO_SLOT
	if
	:: at != NOT -> drop_pair(at, x)
	:: else
	fi;
#endif
	find_free();
	if
	:: at == PAIRS -> assert(!calm) /* in the storm it is lost */
	:: else -> fill_slot(x, y, n)
	fi
}

/* Message 1 number n of y comes to x. */
inline message1(x, y, n)
{
	find_half_open(x);
	if
	:: OWN(x, y)
	:: !OWN(x, y) && at != NOT && num[at] == n -> send(net2[at]) /* the same answer once more */
	:: else ->
		if
		:: REPLAYED(x, n) || CROSSES(x) || BUSY(at, n)
		:: else ->
			assert(x != y);
			assert(n > conf[x]); /* neither it nor a later one has been confirmed */
			take_slot(x, y, n)
		fi
	fi;
	at = 0
}

/* Message 2 of p comes to the host that began it. */
inline message2(p)
{
	if
	:: out[begun_by[p]] == num[p] ->
		STATE(p, begun_by[p]) = UNHEARD;
		INSTALLED(p, begun_by[p]) = true;
		drop_attempt(begun_by[p]);
		send(DUMMY(p, begun_by[p]))
	:: else
	fi
}

/* Of two handshakes that crossed only one leads to something, and no message 1 does twice. */
#define BOTH_WENT_ON(p, q) (begun_by[p] == 0 && begun_by[q] == 1 && across[q] == num[p])

inline check_others(p, x)
{
	i = 0;
	do
	:: i < PAIRS ->
		assert(x == 1 || !TRUSTED(i, x) || !(BOTH_WENT_ON(i, p) || BOTH_WENT_ON(p, i)));
		assert(i == p || !TRUSTED(i, x) || begun_by[i] != begun_by[p] || num[i] != num[p]);
		i++
	:: else -> break
	od;
	i = 0
}

inline confirm(p, x)
{
	check_others(p, x);
	TRUSTED(p, x) = true;
	if
	:: begun_by[p] == x -> conf[x] = (NUM(rstart[p], 0) > conf[x] -> NUM(rstart[p], 0) : conf[x])
	:: else ->
		conf[x] = (num[p] > conf[x] -> num[p] : conf[x]);
		send(DUMMY(p, x)) /* the one that began it waits to hear us */
	fi;
	drop_attempt(x);
	use(p, x)
}

#ifdef NO_RECOVERY
#define RECOVERY false
#else
#define RECOVERY true
#endif

/* The ends have chosen different pairs: host 1 goes over to what host 0 uses. */
#ifdef NO_FOLLOWING
#define FOLLOWS(p, x) false
#else
#define FOLLOWS(p, x) ((x) == 1 && STATE(p, x) == DRAINING)
#endif

/* A packet of p that x has not opened before comes to it. */
inline packet(p, x, is_dummy)
{
	if
	:: STATE(p, x) == NONE ->
		if
		:: calm && RECOVERY && known[x] -> begin(x)
		:: else /* in the storm handshakes begin anyway */
		fi
	:: STATE(p, x) == HALF_OPEN || STATE(p, x) == UNHEARD -> confirm(p, x)
	:: else ->
		if
		:: is_dummy && begun_by[p] != x -> send(DUMMY(p, x))
		:: !is_dummy && FOLLOWS(p, x) -> use(p, x)
		:: else
		fi
	fi
}

/* --- events --- */

/* A pair that neither has makes room if it cannot be had any more, or another like it can. */
#define UNDER_WAY(p) (net2[p] || DUMMY(p, 0) || DUMMY(p, 1) || DATA(p, 0) || DATA(p, 1))
#define NOBODYS(p)   (num[p] != 0 && STATE(p, 0) == NONE && STATE(p, 1) == NONE && !UNDER_WAY(p))
#define ALIKE(p, q)  (num[p] == num[q] && begun_by[p] == begun_by[q] && rstart[p] == rstart[q])

inline free_pair(p)
{
	num[p] = 0;
	rstart[p] = 0;
	begun_by[p] = 0;
	across[p] = 0;
	INSTALLED(p, 0) = false;
	INSTALLED(p, 1) = false;
	TRUSTED(p, 0) = false;
	TRUSTED(p, 1) = false
}

inline free_alike(p)
{
	j = 0;
	do
	:: j < p ->
		if
		:: NOBODYS(p) && NOBODYS(j) && ALIKE(p, j) -> free_pair(p)
		:: else
		fi;
		j++
	:: else -> break
	od;
	j = 0
}

/* What x had of p matters only to an other that may still confirm it. */
inline forget_ghosts(p, x)
{
	if
	:: STATE(p, x) == NONE && !SHORT(p, OTHER(x)) && out[begun_by[p]] != num[p] ->
		INSTALLED(p, x) = false;
		TRUSTED(p, x) = false
	:: else
	fi
}

inline tidy()
{
	i = 0;
	do
	:: i < PAIRS ->
		if
		:: NOBODYS(i) && (calm || out[begun_by[i]] != num[i]) -> free_pair(i)
		:: else ->
			free_alike(i);
			forget_ghosts(i, 0);
			forget_ghosts(i, 1)
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

inline killed(x, memo)
{
	down(x);
	start[x]++;
	next[x] = 0;
	conf[x] = 0;
	known[x] = known[x] && memo
}

/* Everything under way is lost. */
inline losses_stop()
{
	i = 0;
	do
	:: i < 2 * NUMBERS -> net1[i] = false; i++
	:: else -> break
	od;
	i = 0;
	calm = true
}

inline expire(p, x)
{
	if
	:: STATE(p, x) == DRAINING && calm -> assert(using[OTHER(x)] != p) /* nobody sends on it */
	:: else
	fi;
	drop_pair(p, x)
}

/* May x ever have sent a packet of p? The responder not before one has opened. */
#define SPOKE(p, x) \
	(STATE(p, x) == ACTIVE || (begun_by[p] == (x) -> INSTALLED(p, x) : TRUSTED(p, x)))

/* Would a packet that x sends now make the other do something? An unknown SPI is
 * looked at once a second, and following takes a second too. */
#define TELLS(x) (using[x] != NOT && !DATA(using[x], x) && \
	(SHORT(using[x], OTHER(x)) || (FOLLOWS(using[x], OTHER(x)) && moving == 0) || \
	 (STATE(using[x], OTHER(x)) == NONE && moving == 0 && RECOVERY && \
	  known[OTHER(x)] && out[OTHER(x)] == 0)))

#define QUIET (calm && moving == 0 && !TELLS(0) && !TELLS(1))
/* Up, but nothing the other sends can be opened. */
#define DEAF(x) (RECOVERY && up[x] && (using[OTHER(x)] == NOT || STATE(using[OTHER(x)], x) == NONE))
/* A DISCOVER of the other would make host 0 start. */
#define HEARS (out[0] == 0 && (!up[0] || (RECOVERY && pstart[0] != start[1])))
#define ATTEMPTING (out[0] != 0 || out[1] != 0)
#define RETRIES(x) (!up[x] && known[x] && out[x] == 0)

#define FOR_PAIRS(X)	  X(0) X(1) X(2) X(3) X(4) X(5)
#define FOR_HOSTS(X)	  X(0) X(1)
#define FOR_PAIR_HOSTS(X) \
	X(0, 0) X(0, 1) X(1, 0) X(1, 1) X(2, 0) X(2, 1) X(3, 0) X(3, 1) X(4, 0) X(4, 1) X(5, 0) X(5, 1)
#define FOR_NUMBERS(X)	  X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)

/* One step: printed where spin replays a trail (spin -t). */
#define EVENT(guard, text, a, b, action) \
	:: guard -> d_step { printf(text, a, b); action; tidy() }

#define CAN_RESTART (!calm && start[0] + start[1] < STARTS - 1)

#define STORM_HOST(x) \
	EVENT(!calm && begun[x] < STORM && out[x] == 0, "%d begins\n", x, 0, begin(x)) \
	EVENT(CAN_RESTART, "%d restarts\n", x, 0, killed(x, false)) \
	EVENT(CAN_RESTART && known[x], "%d restarts with a memo\n", x, 0, killed(x, true)) \
	EVENT(!calm && up[x], "%d hears nothing\n", x, 0, down(x)) \
	EVENT(!calm && out[x] != 0, "%d gives its attempt up\n", x, 0, drop_attempt(x))
#define STORM_NUMBER(n) \
	EVENT(!calm && HAS1(0, n), "message 1 number %d to %d\n", n, 1, message1(1, 0, n)) \
	EVENT(!calm && HAS1(1, n), "message 1 number %d to %d\n", n, 0, message1(0, 1, n)) \
	EVENT(!calm && HAS1(0, n), "message 1 number %d back to %d\n", n, 0, message1(0, 0, n)) \
	EVENT(!calm && HAS1(1, n), "message 1 number %d back to %d\n", n, 1, message1(1, 1, n))
#define STORM_PAIR(p) \
	EVENT(!calm && num[p] != 0 && out[begun_by[p]] == num[p], \
	    "message 2 of pair %d to %d\n", p, begun_by[p], message2(p))
#define STORM_PAIR_HOST(p, x) \
	EVENT(!calm && SPOKE(p, OTHER(x)) && SHORT(p, x), \
	    "packet of pair %d to %d\n", p, x, packet(p, x, false)) \
	EVENT(!calm && num[p] != 0 && STATE(p, x) != NONE && STATE(p, x) != ACTIVE, \
	    "pair %d expires at %d\n", p, x, expire(p, x))

#define ARRIVES(message) message = false; moving--
#define CALM_NUMBER(n) \
	EVENT(calm && HAS1(0, n), "message 1 number %d to %d\n", n, 1, \
	    ARRIVES(NET1(0, n)); message1(1, 0, n)) \
	EVENT(calm && HAS1(1, n), "message 1 number %d to %d\n", n, 0, \
	    ARRIVES(NET1(1, n)); message1(0, 1, n))
#define CALM_PAIR(p) \
	EVENT(calm && net2[p], "message 2 of pair %d to %d\n", p, begun_by[p], \
	    ARRIVES(net2[p]); message2(p))
#define CALM_PAIR_HOST(p, x) \
	EVENT(calm && DUMMY(p, OTHER(x)), "dummy of pair %d to %d\n", p, x, \
	    ARRIVES(DUMMY(p, OTHER(x))); packet(p, x, true)) \
	EVENT(calm && DATA(p, OTHER(x)), "data of pair %d to %d\n", p, x, \
	    ARRIVES(DATA(p, OTHER(x))); packet(p, x, false)) \
	EVENT(QUIET && SHORT(p, x), "pair %d expires at %d\n", p, x, expire(p, x)) \
	EVENT(timeout && STATE(p, x) == DRAINING, "pair %d expires at %d\n", p, x, expire(p, x))
#define CALM_HOST(x) \
	EVENT(calm && TELLS(x), "%d sends on pair %d\n", x, using[x], send(DATA(using[x], x))) \
	EVENT(QUIET && out[x] != 0 && (old[x] || !old[OTHER(x)]), "%d gives its attempt up\n", x, 0, \
	    drop_attempt(x); repeat(OTHER(x))) \
	EVENT(QUIET && DEAF(x) && !ATTEMPTING, "%d hears nothing\n", x, 0, down(x)) \
	EVENT(QUIET && RETRIES(x), "%d begins\n", x, 0, begin(x))

/* What is repeated by the clock may once more be sent, or have had its time. */
#define REPEAT_HOST(x) \
	if \
	:: out[x] != 0 -> send(NET1(x, out[x])) \
	:: out[x] != 0 -> old[x] = true \
	:: else \
	fi;
#define REPEAT_PAIR(p) \
	if \
	:: STATE(p, begun_by[p]) == UNHEARD -> send(DUMMY(p, begun_by[p])) \
	:: true \
	fi;

/* They have been together for a while by a handshake of y. */
inline established(y)
{
	begun_by[0] = y;
	num[0] = NUM(0, 1);
	next[y] = 1;
	NET1(y, NUM(0, 1)) = true;
	conf[OTHER(y)] = NUM(0, 1);
	i = 0;
	do
	:: i < 2 ->
		INSTALLED(0, i) = true;
		TRUSTED(0, i) = true;
		STATE(0, i) = ACTIVE;
		using[i] = 0;
		up[i] = true;
		known[i] = true;
		i++
	:: else -> break
	od;
	i = 0
}

active proctype world()
{
	if
	:: true
	:: d_step { established(0) }
	:: d_step { established(1) }
	fi;
end:
	do
	FOR_HOSTS(STORM_HOST)
	FOR_NUMBERS(STORM_NUMBER)
	FOR_PAIRS(STORM_PAIR)
	FOR_PAIR_HOSTS(STORM_PAIR_HOST)
	:: !calm ->
		atomic {
			printf("calm\n");
			losses_stop();
			FOR_HOSTS(REPEAT_HOST)
			FOR_PAIRS(REPEAT_PAIR)
			tidy()
		}
	FOR_NUMBERS(CALM_NUMBER)
	FOR_PAIRS(CALM_PAIR)
	FOR_PAIR_HOSTS(CALM_PAIR_HOST)
	FOR_HOSTS(CALM_HOST)
	EVENT(QUIET && HEARS && !ATTEMPTING, "%d begins: DISCOVER\n", 0, 0, begin(0))
	od
}

#define SETTLED (up[0] && up[1] && using[0] != NOT && using[0] == using[1] && \
	pstart[0] == start[1] && pstart[1] == start[0])
ltl settles { [] (calm -> <> [] SETTLED) }
