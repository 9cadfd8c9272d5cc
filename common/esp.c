// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One table for the ciphers and one for the integrity algorithms: what is in
 * neither is not supported.
 */
#include "esp.h"

/* IKEv2 transform IDs */
#define ENCR_AES_CBC 12
#define ENCR_AES_GCM_16 20
#define ENCR_CHACHA20_POLY1305 28
#define INTEG_HMAC_SHA2_256_128 12
#define INTEG_HMAC_SHA2_384_192 13
#define INTEG_HMAC_SHA2_512_256 14

#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40
#define ESP_HEADER_LEN 8  /* SPI, sequence number */
#define ESP_TRAILER_LEN 2 /* pad length, next header */
#define AEAD_ICV_LEN 16

struct encr {
	uint16_t id, key_bits;
	uint8_t octets; /* of keying material, the salt included */
	uint8_t iv, align;
	bool aead;
};

static const struct encr encrs[] = {
	{ENCR_AES_CBC, 128, 16, 16, 16, false},
	{ENCR_AES_CBC, 192, 24, 16, 16, false},
	{ENCR_AES_CBC, 256, 32, 16, 16, false},
	{ENCR_AES_GCM_16, 128, 20, 8, 4, true},
	{ENCR_AES_GCM_16, 192, 28, 8, 4, true},
	{ENCR_AES_GCM_16, 256, 36, 8, 4, true},
	{ENCR_CHACHA20_POLY1305, 0, 36, 8, 4, true},
};

struct integ {
	uint16_t id;
	uint8_t octets; /* of keying material */
	uint8_t icv;
};

static const struct integ integs[] = {
	{INTEG_HMAC_SHA2_256_128, 32, 16},
	{INTEG_HMAC_SHA2_384_192, 48, 24},
	{INTEG_HMAC_SHA2_512_256, 64, 32},
};

static const struct encr *find_encr(const struct gv_esp_proposal *esp)
{
	for (size_t i = 0; i < sizeof(encrs) / sizeof(encrs[0]); i++)
		if (encrs[i].id == esp->encr &&
		    encrs[i].key_bits == esp->key_bits)
			return &encrs[i];
	return NULL;
}

static const struct integ *find_integ(const struct gv_esp_proposal *esp)
{
	for (size_t i = 0; i < sizeof(integs) / sizeof(integs[0]); i++)
		if (integs[i].id == esp->integ)
			return &integs[i];
	return NULL;
}

size_t gv_esp_integ_key_len(const struct gv_esp_proposal *esp)
{
	const struct integ *integ = find_integ(esp);

	return integ ? integ->octets : 0;
}

/* An AEAD alone, or a cipher with an integrity algorithm. */
static bool fits(const struct encr *encr, const struct gv_esp_proposal *esp)
{
	return encr &&
	       (encr->aead ? !esp->integ : gv_esp_integ_key_len(esp) != 0);
}

size_t gv_esp_key_len(const struct gv_esp_proposal *esp)
{
	const struct encr *encr = find_encr(esp);

	return fits(encr, esp) ? encr->octets + gv_esp_integ_key_len(esp) : 0;
}

uint32_t gv_esp_room(const struct gv_esp_proposal *esp, bool ipv6, uint32_t mtu)
{
	const struct encr *encr = find_encr(esp);
	uint32_t icv, taken, room;

	if (!fits(encr, esp))
		return 0;
	icv = encr->aead ? AEAD_ICV_LEN : find_integ(esp)->icv;
	taken = (ipv6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN) + ESP_HEADER_LEN +
		encr->iv + icv;
	if (mtu < taken)
		return 0;
	room = mtu - taken;
	room -= room % encr->align;
	return room > ESP_TRAILER_LEN ? room - ESP_TRAILER_LEN : 0;
}
