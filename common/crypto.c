// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The primitives of crypto.h, from OpenSSL 3.  Nothing is cached, so nothing
 * is shared between threads; and a refusal leaves no entry in the thread's
 * OpenSSL error queue, which belongs to the host daemon.
 */
/* SHA256_Transform() is deprecated; see there why it is used. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "bytes.h"

/* RFC 9838 section 4.5.4: a key wrap algorithm takes up to 256 octets. */
#define WRAP_MAX 256

/* Ends a function that began with ERR_set_mark(). */
static bool finish(bool ok, void *out, size_t len)
{
	if (!ok)
		gv_wipe(out, len);
	ERR_pop_to_mark();
	return ok;
}

bool gv_random(void *out, size_t len)
{
	ERR_set_mark();
	return finish(len <= INT_MAX && RAND_priv_bytes(out, (int)len) == 1,
		      out, len);
}

void gv_wipe(void *secret, size_t len)
{
	OPENSSL_cleanse(secret, len);
}

bool gv_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/*
 * HMAC-SHA-256 over libcrypto's compression function alone.  libfrr exports
 * an SHA256_Init(), _Update() and _Final() of its own, which in bgpd take the
 * place of libcrypto's also inside libcrypto: every way to SHA-256 through EVP
 * fails there.  SHA256_Transform() is only libcrypto's.
 */
struct sha256 {
	SHA256_CTX state; /* only h is used */
	uint64_t len;	  /* octets taken so far */
	uint8_t block[SHA256_CBLOCK];
};

static void sha256_init(struct sha256 *sha)
{
	/* FIPS 180-4 section 5.3.3 */
	static const uint32_t h[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	size_t i;

	memset(sha, 0, sizeof(*sha));
	for (i = 0; i < 8; i++)
		sha->state.h[i] = h[i];
}

static void sha256_update(struct sha256 *sha, const void *data, size_t len)
{
	const uint8_t *octets = data;
	size_t have, n;

	while (len > 0) {
		have = sha->len % SHA256_CBLOCK;
		n = SHA256_CBLOCK - have < len ? SHA256_CBLOCK - have : len;
		memcpy(sha->block + have, octets, n);
		sha->len += n;
		octets += n;
		len -= n;
		if (sha->len % SHA256_CBLOCK == 0)
			SHA256_Transform(&sha->state, sha->block);
	}
}

static void sha256_final(struct sha256 *sha, uint8_t digest[32])
{
	static const uint8_t padding[SHA256_CBLOCK] = {0x80};
	uint64_t bits = sha->len * 8;
	struct gv_writer w;
	uint8_t length[8];
	size_t i;

	sha256_update(sha, padding,
		      1 + (2 * SHA256_CBLOCK - 9 - sha->len % SHA256_CBLOCK) %
				      SHA256_CBLOCK);
	gv_writer_init(&w, length, sizeof(length));
	gv_put64(&w, bits);
	sha256_update(sha, length, sizeof(length));
	gv_writer_init(&w, digest, 32);
	for (i = 0; i < 8; i++)
		gv_put32(&w, sha->state.h[i]);
}

/* RFC 2104: of up to three pieces; a piece may be empty. */
struct piece {
	const void *data;
	size_t len;
};

static void hmac_sha256(const void *key, size_t key_len,
			const struct piece pieces[3], uint8_t mac[32])
{
	uint8_t inner[SHA256_CBLOCK] = {0}, outer[SHA256_CBLOCK];
	struct sha256 sha;
	size_t i;

	if (key_len > SHA256_CBLOCK) {
		sha256_init(&sha);
		sha256_update(&sha, key, key_len);
		sha256_final(&sha, inner);
	} else if (key_len > 0) {
		memcpy(inner, key, key_len);
	}
	for (i = 0; i < SHA256_CBLOCK; i++) {
		outer[i] = inner[i] ^ 0x5c;
		inner[i] ^= 0x36;
	}

	sha256_init(&sha);
	sha256_update(&sha, inner, sizeof(inner));
	for (i = 0; i < 3; i++)
		sha256_update(&sha, pieces[i].data, pieces[i].len);
	sha256_final(&sha, mac);
	sha256_init(&sha);
	sha256_update(&sha, outer, sizeof(outer));
	sha256_update(&sha, mac, 32);
	sha256_final(&sha, mac);

	gv_wipe(inner, sizeof(inner));
	gv_wipe(outer, sizeof(outer));
	gv_wipe(&sha, sizeof(sha));
}

bool gv_hkdf_extract(const void *salt, size_t salt_len, const void *ikm,
		     size_t ikm_len, uint8_t prk[GV_SECRET_LEN])
{
	const struct piece pieces[3] = {{ikm, ikm_len}};

	hmac_sha256(salt, salt_len, pieces, prk);
	return true;
}

bool gv_hkdf_expand(const uint8_t prk[GV_SECRET_LEN], const void *info,
		    size_t info_len, void *out, size_t out_len)
{
	uint8_t t[32], number = 0, *pos = out;
	size_t left = out_len, n;

	if (out_len == 0 || out_len > 255 * sizeof(t)) {
		gv_wipe(out, out_len);
		return false;
	}
	while (left > 0) {
		const struct piece pieces[3] = {
			{t, number ? sizeof(t) : 0},
			{info, info_len},
			{&number, 1},
		};

		number++;
		hmac_sha256(prk, GV_SECRET_LEN, pieces, t);
		n = left < sizeof(t) ? left : sizeof(t);
		memcpy(pos, t, n);
		pos += n;
		left -= n;
	}
	gv_wipe(t, sizeof(t));
	return true;
}

bool gv_hmac(const uint8_t key[GV_SECRET_LEN], const void *data, size_t len,
	     uint8_t mac[GV_MAC_LEN])
{
	const struct piece pieces[3] = {{data, len}};
	uint8_t full[32];

	hmac_sha256(key, GV_SECRET_LEN, pieces, full);
	memcpy(mac, full, GV_MAC_LEN);
	gv_wipe(full, sizeof(full));
	return true;
}

/* One call of a cipher without IV and padding.  out has room for what the
 * cipher makes of in. */
static bool cipher_once(const EVP_CIPHER *cipher, const uint8_t *key,
			bool encrypt, const void *in, size_t in_len,
			uint8_t *out, size_t *out_len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len = 0;
	bool ok;

	if (!ctx)
		return false;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	ok = EVP_CipherInit_ex2(ctx, cipher, key, NULL, encrypt, NULL) == 1 &&
	     EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
	     EVP_CipherUpdate(ctx, out, &len, in, (int)in_len) == 1 && len > 0;
	EVP_CIPHER_CTX_free(ctx);
	*out_len = ok ? (size_t)len : 0;
	return ok;
}

bool gv_aes_block(const uint8_t key[32], bool encrypt, const uint8_t in[16],
		  uint8_t out[16])
{
	size_t len;

	ERR_set_mark();
	return finish(cipher_once(EVP_aes_256_ecb(), key, encrypt, in, 16, out,
				  &len) &&
			      len == 16,
		      out, 16);
}

static const EVP_CIPHER *wrap_cipher(size_t key_len)
{
	switch (key_len) {
	case 16:
		return EVP_aes_128_wrap_pad();
	case 24:
		return EVP_aes_192_wrap_pad();
	case 32:
		return EVP_aes_256_wrap_pad();
	default:
		return NULL;
	}
}

/* Works in a buffer of its own: libcrypto writes the padding too, for which
 * the caller's need not have room. */
static bool wrap_once(const uint8_t *key, size_t key_len, bool encrypt,
		      const void *in, size_t in_len, uint8_t *out,
		      size_t *out_len)
{
	const EVP_CIPHER *cipher = wrap_cipher(key_len);
	uint8_t buf[GV_WRAPPED_LEN(WRAP_MAX)];
	size_t len = 0;
	bool ok;

	ERR_set_mark();
	ok = cipher &&
	     cipher_once(cipher, key, encrypt, in, in_len, buf, &len) &&
	     len <= *out_len;
	if (ok) {
		memcpy(out, buf, len);
		*out_len = len;
	}
	gv_wipe(buf, sizeof(buf));
	ok = finish(ok, out, *out_len);
	if (!ok)
		*out_len = 0;
	return ok;
}

bool gv_key_wrap(const uint8_t *key, size_t key_len, const void *in,
		 size_t in_len, uint8_t *out, size_t *out_len)
{
	if (!in_len || in_len > WRAP_MAX) {
		*out_len = 0;
		return false;
	}
	return wrap_once(key, key_len, true, in, in_len, out, out_len);
}

bool gv_key_unwrap(const uint8_t *key, size_t key_len, const void *in,
		   size_t in_len, uint8_t *out, size_t *out_len)
{
	if (in_len < GV_WRAPPED_LEN(1) || in_len > GV_WRAPPED_LEN(WRAP_MAX) ||
	    in_len % 8) {
		*out_len = 0;
		return false;
	}
	return wrap_once(key, key_len, false, in, in_len, out, out_len);
}
