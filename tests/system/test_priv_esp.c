/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What priv does for manual SAs: raw sockets, their filter, the file of numbers. As test_priv.c. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/privmsg.h"
#include "tests/system/priv_fixture.h"

/* To ourselves, as IP protocol 50. */
static void
send_esp(int fd, sa_family_t family, uint32_t spi)
{
	struct endpoint to = { .port = ENDPOINT_ESP };
	struct sockaddr_storage ss;
	uint32_t packet[4] = { htonl(spi), htonl(1) };
	socklen_t len;

	assert_true(ipaddr_parse(family == AF_INET ? "127.0.0.1" : "::1", &to.ip));
	len = endpoint_to_sockaddr(&to, &ss);
	assert_int_equal(
	    sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&ss, len), sizeof(packet));
}

/* The SPI of the next packet, which over IPv4 has its header in front; 0: none. */
static uint32_t
next_spi(int fd, sa_family_t family)
{
	uint8_t buf[128];
	size_t skip = family == AF_INET ? 20 : 0;
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	uint32_t spi;

	if (n < 0)
		return 0;
	assert_int_equal(n, skip + 16);
	memcpy(&spi, buf + skip, sizeof(spi));
	return ntohl(spi);
}

static void
assert_filtered(int fd, sa_family_t family, const uint32_t *spis, size_t n)
{
	assert_int_equal(privcli_esp_filter(cli, spis, n), 0);
	send_esp(fd, family, 0x1000);
	for (size_t i = 0; i < n; i++)
		send_esp(fd, family, spis[i]);
	send_esp(fd, family, 0xfffffffe);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(next_spi(fd, family), spis[i]);
	assert_int_equal(next_spi(fd, family), 0);
}

static void
test_esp(void **state)
{
	uint32_t spis[PRIV_SPIS_MAX] = { 255 };
	struct priv_esp_sockets s, again;

	(void)state;
	assert_true(netns_run("ip link set lo up"));
	assert_error(privcli_esp_filter(cli, spis, 1), -EPROTO, "an SPI that no SA can have");
	for (uint32_t i = 0; i < PRIV_SPIS_MAX; i++)
		spis[i] = 0x2000 + i * 0x01010101;
	assert_int_equal(privcli_esp_sockets(cli, &s), 0);
	send_esp(s.esp4, AF_INET, spis[0]);
	assert_int_equal(next_spi(s.esp4, AF_INET), 0); /* nothing at first */
	for (size_t n = 0; n <= PRIV_SPIS_MAX; n += n < 3 ? 1 : 11) {
		assert_filtered(s.esp4, AF_INET, spis, n);
		assert_filtered(s.esp6, AF_INET6, spis, n);
	}
	assert_filtered(s.esp4, AF_INET, spis, PRIV_SPIS_MAX);
	assert_int_equal(privcli_esp_sockets(cli, &again), 0);
	assert_true(inode(s.esp4) == inode(again.esp4) && inode(s.esp6) == inode(again.esp6));
	close(again.esp4);
	close(again.esp6);

	restart_server();
	assert_error(privcli_esp_keep(cli, AF_INET, s.esp6), -EINVAL, "not the socket");
	assert_error(privcli_esp_keep(cli, AF_INET6, s.esp4), -EINVAL, "not the socket");
	assert_int_equal(privcli_esp_keep(cli, AF_INET, s.esp4), 0);
	assert_error(privcli_esp_keep(cli, AF_INET, s.esp4), -EEXIST, "kept already");
	assert_filtered(s.esp4, AF_INET, spis, 2);
	close(s.esp4);
	close(s.esp6);
}

/* What the engine maps is there again for the next one, with another priv too. */
static void
test_numbers(void **state)
{
	const uint64_t value = 77;
	const off_t at = offsetof(struct priv_numbers, sas[5].received);
	struct priv_numbers n;
	int fd;

	(void)state;
	assert_int_equal(privcli_numbers(cli, &fd), 0);
	assert_int_equal(pwrite(fd, &value, sizeof(value), at), sizeof(value));
	close(fd);
	restart_server();
	assert_int_equal(privcli_numbers(cli, &fd), 0);
	assert_int_equal(pread(fd, &n, sizeof(n), 0), sizeof(n));
	/* Where it is not told which boot it is, priv believes nothing. */
	assert_true(n.sas[5].received == (sealed ? 77 : 0));
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_esp),
		TEST(test_numbers),
	};

	return run_everywhere(tests, sizeof(tests) / sizeof(tests[0]));
}
