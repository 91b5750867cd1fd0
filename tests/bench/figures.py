# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of a run, and the figures that vnetd should reach."""

import statistics

# Debian 12 has wireguard-go of 2022. That of December 2023, which segments and merges, was this
# many times as fast in one run on another machine: 3.35 against 0.61 Gbit/s.
WIREGUARD_GO_2023 = 5.5
MEMORY_MB = 16

# name, head, format
COLUMNS = (
    ("tcp", "TCP 1", "%.2f"), ("tcp_back", "back", "%.2f"), ("tcp_four", "4+4", "%.2f"),
    ("kpps", "64 B kpps", "%.0f"), ("rtt", "RTT us", "%.0f"), ("rtt_p99", "p99", "%.0f"),
    ("cpu", "CPU s/GB", "%.2f"), ("rest", "RSS MB", "%.1f"), ("peak", "peak MB", "%.1f"),
)


def medians(results, name, measure):
    """Median of the rounds, or None."""
    values = [r[measure] for r in results.get(name, []) if r and r.get(measure) is not None]
    return statistics.median(values) if values else None


def ratio(results, measure, mine, others, best=max):
    """The median over the rounds of my value to the best of theirs in the same round, and who that
    was: the one best by its own median."""
    known = [n for n in others if medians(results, n, measure) is not None]
    if not known or medians(results, mine, measure) is None:
        return None, None
    other = best(known, key=lambda n: medians(results, n, measure))
    pairs = [(m[measure], o[measure]) for m, o in zip(results[mine], results[other]) if m and o]
    quotients = [m / o for m, o in pairs if o]
    return (statistics.median(quotients), other) if quotients else (None, other)


def line(text, got, least=None, most=None):
    """One figure. got: (ratio, against whom)."""
    value, other = got
    met = None if value is None else value >= least if least is not None else value <= most
    return {"what": text.format(other or "none here"), "value": value, "met": met,
            "want": f"at least {least:g}" if least is not None else f"at most {most:g}"}


def judge(run):
    """A list of {what, value, want, met}."""
    results, what = run["results"], run["what"]

    def of(*kinds):
        return [name for name in results if what[name] in kinds]
    encrypted, layer2 = of("encrypted"), of("encrypted", "clear")
    user_space = layer2 + of("layer 3")
    ours = [name for name in results if what[name] == "vnetd"]

    wireguard = ratio(results, "tcp", "vnetd conf", ["wireguard-go"])
    if wireguard[0] is not None:
        wireguard = wireguard[0] / WIREGUARD_GO_2023, wireguard[1]
    found = [
        line("TCP, conf to {} (best encrypted layer-2 peer)",
             ratio(results, "tcp", "vnetd conf", encrypted), 7),
        line("TCP, conf to wireguard-go of 2023 (derived: {} of 2022, times "
             f"{WIREGUARD_GO_2023})", wireguard, 1.8),
        line("TCP, conf to {}", ratio(results, "tcp", "vnetd conf", ["vnetd none"]), 0.55),
        line("TCP, none to {}", ratio(results, "tcp", "vnetd none", ["fastd null"]), 10),
        line("TCP, conf with OpenSSL only to {} (best encrypted layer-2 peer)",
             ratio(results, "tcp", "vnetd conf, OpenSSL only", encrypted), 4),
    ]
    found.append(line("TCP, none through the kernel to {}",
                      ratio(results, "tcp", "vnetd none, kernel", ["kernel VXLAN"]), 0.8))
    for level in "conf", "none":
        found += [line(f"64-byte packets/s, {level} to {{}} (best layer-2 peer)",
                       ratio(results, "kpps", f"vnetd {level}", layer2), 4),
                  line(f"64-byte packets/s, {level} to {{}} (best user-space peer)",
                       ratio(results, "kpps", f"vnetd {level}", user_space), 2)]
    found += [
        line("RTT, conf to {} (best user-space peer)",
             ratio(results, "rtt", "vnetd conf", user_space, min), most=1),
        line("CPU per gigabyte, conf to {} (best encrypted layer-2 peer)",
             ratio(results, "cpu", "vnetd conf", encrypted, min), most=round(1 / 6, 3)),
    ]
    rest = [(medians(results, n, "rest"), n) for n in ours if medians(results, n, "rest")]
    found.append(line("MB resident after the load, largest process ({})",
                      max(rest, default=(None, None)), most=MEMORY_MB))
    return found


def show(run):
    results, skipped = run["results"], run["skipped"]
    print(f"\n{run['machine']}; underlay MTU {run['mtu']}, UDP and TCP segmentation offload of the "
          f"link {'on' if run['gso'] else 'off'}; {run['rounds']} rounds of {run['seconds']} s, "
          f"medians; load before {run['load_before']:.1f}; took {run['took']:.0f} s")
    print("TCP in Gbit/s: one flow there, one flow back, four flows each way at once; CPU of both "
          "daemons;\nmemory of the largest process.\n")
    wide = max(map(len, results), default=0)
    print(" " * wide, *(head.rjust(9) for _, head, _ in COLUMNS))
    for name in results:
        cells = [medians(results, name, measure) for measure, _, _ in COLUMNS]
        print(name.ljust(wide), *(("-" if c is None else form % c).rjust(9)
                                  for c, (_, _, form) in zip(cells, COLUMNS)))
    for name, why in skipped.items():
        print(f"{name}: skipped: {why}")
    print("\nFigures to reach (medians of the ratios of each round):")
    for f in run["figures"]:
        verdict = {True: "reached", False: "NOT REACHED", None: "not measured"}[f["met"]]
        value = "-" if f["value"] is None else f"{f['value']:.2f}"
        print(f"  {verdict:12} {value:>6}  want {f['want']:13} {f['what']}")
