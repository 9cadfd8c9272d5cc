/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ESP algorithms that data SAs can have: the sizes of their keys and what
 * they add to a packet (RFC 4303; RFC 4106, RFC 7634, RFC 3602, RFC 4868).
 *
 * No cryptography is done here, the kernel does it.
 */
#ifndef GV_ESP_H
#define GV_ESP_H

#include "gv.h"

/* IKEv2 transform IDs (IANA); key_bits 0 where the cipher has only one. */
struct gv_esp_proposal {
	uint16_t encr;	   /* e.g. 20 = AES-GCM with 16 octet ICV */
	uint16_t key_bits; /* e.g. 256 */
	uint16_t integ;	   /* 0 = none (AEAD) */
	bool esn;
};

/* Octets of keying material that one SA takes, salt or integrity key included
 * (the len of gv_esp_key()); 0 if the combination is not supported. */
size_t gv_esp_key_len(const struct gv_esp_proposal *esp);
/* What that never exceeds: AES-256-CBC with HMAC-SHA2-512-256. */
#define GV_ESP_KEY_MAX 96

/* Of these, the last ones that are the integrity key; 0 with an AEAD. */
size_t gv_esp_integ_key_len(const struct gv_esp_proposal *esp);

/* Octets of the largest payload, in transport mode, with which an IPv4 packet
 * without options, or an IPv6 packet without extension headers, still fits into
 * mtu octets; 0 if there is none, or the combination is not supported.  For the
 * same mtu it never grows from an AEAD to CBC, nor with the size of the ICV. */
uint32_t gv_esp_room(const struct gv_esp_proposal *esp, bool ipv6,
		     uint32_t mtu);

#endif /* GV_ESP_H */
