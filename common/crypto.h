/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few primitives that the protocol uses, each a thin call into OpenSSL's
 * libcrypto.  Every function returns false if libcrypto refuses, and then its
 * output holds nothing.  All are thread-safe.
 */
#ifndef GV_CRYPTO_H
#define GV_CRYPTO_H

#include "gv.h"

/* len octets from the private DRBG. */
bool gv_random(void *out, size_t len);
/* Overwrites a secret; not optimised away. */
void gv_wipe(void *secret, size_t len);
/* GV_SECRET_LEN zero octets for a secret that stays: in memory that a core
 * dump leaves out and, as far as RLIMIT_MEMLOCK goes, is not swapped.  NULL if
 * there is no memory.  Freeing wipes; NULL is allowed. */
uint8_t *gv_secret_new(void);
void gv_secret_free(uint8_t *secret);
/* Has core dumps leave out memory of a heap that is to hold secrets for longer
 * than a call: its pages, and so whatever else is in them, until they go back
 * to the kernel.  Nothing happens where the kernel cannot. */
void gv_secret_hide(void *memory, size_t len);
/* Constant time comparison. */
bool gv_equal(const void *a, const void *b, size_t len);

/* RFC 5869 with SHA-512/256 (FIPS 180-4). */
bool gv_hkdf_extract(const void *salt, size_t salt_len, const void *ikm,
		     size_t ikm_len, uint8_t prk[GV_SECRET_LEN]);
bool gv_hkdf_expand(const uint8_t prk[GV_SECRET_LEN], const void *info,
		    size_t info_len, void *out, size_t out_len);

/* RFC 2104 with SHA-512/256, truncated to 128 bits. */
bool gv_hmac(const uint8_t key[GV_SECRET_LEN], const void *data, size_t len,
	     uint8_t mac[GV_MAC_LEN]);

/* One block of AES-256. */
bool gv_aes_block(const uint8_t key[32], bool encrypt, const uint8_t in[16],
		  uint8_t out[16]);

/* AES key wrap with padding (RFC 5649), key_len 16, 24 or 32.  Wrapping n
 * octets gives 8 + round_up(n, 8).  out_len: capacity on entry, result's
 * length on return.  Unwrapping fails if the integrity check does. */
#define GV_WRAPPED_LEN(n) (8 + (((n) + 7) & ~(size_t)7))
bool gv_key_wrap(const uint8_t *key, size_t key_len, const void *in,
		 size_t in_len, uint8_t *out, size_t *out_len);
bool gv_key_unwrap(const uint8_t *key, size_t key_len, const void *in,
		   size_t in_len, uint8_t *out, size_t *out_len);

/* AES-256-GCM with a 16 octet tag (RFC 5116), which follows the ciphertext:
 * sealing gives len + GV_GCM_TAG_LEN octets, opening takes as many and gives
 * len.  Opening fails if the tag is wrong. */
#define GV_GCM_NONCE_LEN 12
#define GV_GCM_TAG_LEN 16
bool gv_gcm_seal(const uint8_t key[32], const uint8_t nonce[GV_GCM_NONCE_LEN],
		 const void *aad, size_t aad_len, const void *in, size_t len,
		 uint8_t *out);
bool gv_gcm_open(const uint8_t key[32], const uint8_t nonce[GV_GCM_NONCE_LEN],
		 const void *aad, size_t aad_len, const uint8_t *in, size_t len,
		 uint8_t *out);

/* AES-256-SIV (RFC 5297) with one string of associated data: without a nonce,
 * the same input always gives the same output.  The synthetic IV comes first:
 * sealing gives GV_SIV_LEN + len octets, opening takes as many and gives len.
 * len and aad_len are not 0. */
#define GV_SIV_KEY_LEN 64
#define GV_SIV_LEN 16
bool gv_siv_seal(const uint8_t key[GV_SIV_KEY_LEN], const void *aad,
		 size_t aad_len, const void *in, size_t len, uint8_t *out);
bool gv_siv_open(const uint8_t key[GV_SIV_KEY_LEN], const void *aad,
		 size_t aad_len, const uint8_t *in, size_t len, uint8_t *out);

/* Ed25519 (RFC 8032), keys raw.  Signing is deterministic; the signature must
 * not overlap the data. */
#define GV_SIGN_KEY_LEN 32
#define GV_SIGNATURE_LEN 64
bool gv_sign_key_new(uint8_t private_key[GV_SIGN_KEY_LEN],
		     uint8_t public_key[GV_SIGN_KEY_LEN]);
bool gv_sign(const uint8_t private_key[GV_SIGN_KEY_LEN], const void *data,
	     size_t len, uint8_t signature[GV_SIGNATURE_LEN]);
bool gv_verify(const uint8_t public_key[GV_SIGN_KEY_LEN], const void *data,
	       size_t len, const uint8_t signature[GV_SIGNATURE_LEN]);

#endif /* GV_CRYPTO_H */
