// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The primitives of crypto.h, from OpenSSL 3.  Nothing is cached, so nothing
 * is shared between threads; and a refusal leaves no entry in the thread's
 * OpenSSL error queue, which belongs to the host daemon.
 */
#include "crypto.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

/* RFC 9838 section 4.5.4: a key wrap algorithm takes up to 256 octets. */
#define WRAP_MAX 256
/* 32768 secrets; a power of two. */
#define SECRETS_SIZE (1 << 20)

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

/* libcrypto's own arena for secrets, of a size that is fixed when it begins.
 * Where it is full, ordinary memory has to do. */
static void secrets_init(void)
{
	if (!CRYPTO_secure_malloc_initialized())
		CRYPTO_secure_malloc_init(SECRETS_SIZE, GV_SECRET_LEN);
}

uint8_t *gv_secret_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint8_t *secret;

	pthread_once(&once, secrets_init);
	ERR_set_mark();
	secret = OPENSSL_secure_zalloc(GV_SECRET_LEN);
	if (!secret)
		secret = OPENSSL_zalloc(GV_SECRET_LEN);
	ERR_pop_to_mark();
	return secret;
}

void gv_secret_free(uint8_t *secret)
{
	OPENSSL_secure_clear_free(secret, GV_SECRET_LEN);
}

void gv_secret_hide(void *memory, size_t len)
{
	uintptr_t page = sysconf(_SC_PAGESIZE);
	uintptr_t begin = (uintptr_t)memory & ~(page - 1);
	uintptr_t end = ((uintptr_t)memory + len + page - 1) & ~(page - 1);

	madvise((void *)begin, end - begin, MADV_DONTDUMP);
}

bool gv_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/*
 * SHA-512/256 and not SHA-256: libfrr exports an SHA256_Init(), _Update() and
 * _Final() of its own, which in bgpd take the place of libcrypto's also inside
 * libcrypto, so that there every way to SHA-256 through EVP fails.
 */
#define DIGEST "SHA2-512/256"

static OSSL_PARAM octets(const char *name, const void *data, size_t len)
{
	/* OpenSSL takes no NULL for an empty string. */
	return OSSL_PARAM_construct_octet_string(
		name, (void *)(data ? data : ""), len);
}

/* One half of HKDF; other is its second input, the salt or the info. */
static bool hkdf(int mode, OSSL_PARAM key, OSSL_PARAM other, void *out,
		 size_t len)
{
	char digest[] = DIGEST;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest,
						 0),
		key,
		other,
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf;
	EVP_KDF_CTX *ctx;
	bool ok;

	ERR_set_mark();
	kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
	ctx = EVP_KDF_CTX_new(kdf);
	ok = ctx && EVP_KDF_derive(ctx, out, len, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return finish(ok, out, len);
}

bool gv_hkdf_extract(const void *salt, size_t salt_len, const void *ikm,
		     size_t ikm_len, uint8_t prk[GV_SECRET_LEN])
{
	return hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
		    octets(OSSL_KDF_PARAM_KEY, ikm, ikm_len),
		    octets(OSSL_KDF_PARAM_SALT, salt, salt_len), prk,
		    GV_SECRET_LEN);
}

bool gv_hkdf_expand(const uint8_t prk[GV_SECRET_LEN], const void *info,
		    size_t info_len, void *out, size_t out_len)
{
	return hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY,
		    octets(OSSL_KDF_PARAM_KEY, prk, GV_SECRET_LEN),
		    octets(OSSL_KDF_PARAM_INFO, info, info_len), out, out_len);
}

bool gv_hmac(const uint8_t key[GV_SECRET_LEN], const void *data, size_t len,
	     uint8_t mac[GV_MAC_LEN])
{
	uint8_t full[32];
	size_t full_len;
	bool ok;

	ERR_set_mark();
	ok = EVP_Q_mac(NULL, "HMAC", NULL, DIGEST, NULL, key, GV_SECRET_LEN,
		       data ? data : "", len, full, sizeof(full),
		       &full_len) != NULL &&
	     full_len == sizeof(full);
	if (ok)
		memcpy(mac, full, GV_MAC_LEN);
	gv_wipe(full, sizeof(full));
	return finish(ok, mac, GV_MAC_LEN);
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

/* Without tag and error queue.  libcrypto wants aad and data in pieces of an
 * int's length; ours are short. */
static bool gcm_once(EVP_CIPHER_CTX *ctx, const uint8_t key[32],
		     const uint8_t nonce[GV_GCM_NONCE_LEN], bool encrypt,
		     const void *aad, size_t aad_len, const void *in,
		     size_t len, uint8_t *out)
{
	int n;

	return ctx && aad_len <= INT_MAX && len <= INT_MAX &&
	       EVP_CipherInit_ex2(ctx, EVP_aes_256_gcm(), key, nonce, encrypt,
				  NULL) == 1 &&
	       EVP_CipherUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1 &&
	       EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1;
}

bool gv_gcm_seal(const uint8_t key[32], const uint8_t nonce[GV_GCM_NONCE_LEN],
		 const void *aad, size_t aad_len, const void *in, size_t len,
		 uint8_t *out)
{
	EVP_CIPHER_CTX *ctx;
	bool ok;
	int n;

	ERR_set_mark();
	ctx = EVP_CIPHER_CTX_new();
	ok = gcm_once(ctx, key, nonce, true, aad, aad_len, in, len, out) &&
	     EVP_CipherFinal_ex(ctx, out + len, &n) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GV_GCM_TAG_LEN,
				 out + len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return finish(ok, out, len + GV_GCM_TAG_LEN);
}

bool gv_gcm_open(const uint8_t key[32], const uint8_t nonce[GV_GCM_NONCE_LEN],
		 const void *aad, size_t aad_len, const uint8_t *in, size_t len,
		 uint8_t *out)
{
	uint8_t tag[GV_GCM_TAG_LEN];
	EVP_CIPHER_CTX *ctx;
	bool ok;
	int n;

	if (len < sizeof(tag))
		return false;
	len -= sizeof(tag);
	memcpy(tag, in + len, sizeof(tag));
	ERR_set_mark();
	ctx = EVP_CIPHER_CTX_new();
	ok = gcm_once(ctx, key, nonce, false, aad, aad_len, in, len, out) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag),
				 tag) == 1 &&
	     EVP_CipherFinal_ex(ctx, out + len, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return finish(ok, out, len);
}

/* tag: the synthetic IV, which opening has to know in advance. */
static bool siv_once(const uint8_t key[GV_SIV_KEY_LEN], bool encrypt,
		     const void *aad, size_t aad_len, const void *in,
		     size_t len, uint8_t tag[GV_SIV_LEN], uint8_t *out)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-SIV", NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	bool ok;

	ok = cipher && ctx && aad_len && aad_len <= INT_MAX && len &&
	     len <= INT_MAX &&
	     EVP_CipherInit_ex2(ctx, cipher, key, NULL, encrypt, NULL) == 1 &&
	     (encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
					     GV_SIV_LEN, tag) == 1) &&
	     EVP_CipherUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1 &&
	     EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1 &&
	     n == (int)len && EVP_CipherFinal_ex(ctx, out + len, &n) == 1 &&
	     (!encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
					      GV_SIV_LEN, tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
	return ok;
}

bool gv_siv_seal(const uint8_t key[GV_SIV_KEY_LEN], const void *aad,
		 size_t aad_len, const void *in, size_t len, uint8_t *out)
{
	ERR_set_mark();
	return finish(siv_once(key, true, aad, aad_len, in, len, out,
			       out + GV_SIV_LEN),
		      out, GV_SIV_LEN + len);
}

bool gv_siv_open(const uint8_t key[GV_SIV_KEY_LEN], const void *aad,
		 size_t aad_len, const uint8_t *in, size_t len, uint8_t *out)
{
	uint8_t tag[GV_SIV_LEN];

	if (len <= GV_SIV_LEN)
		return false;
	len -= GV_SIV_LEN;
	memcpy(tag, in, sizeof(tag));
	ERR_set_mark();
	return finish(siv_once(key, false, aad, aad_len, in + GV_SIV_LEN, len,
			       tag, out),
		      out, len);
}

bool gv_sign_key_new(uint8_t private_key[GV_SIGN_KEY_LEN],
		     uint8_t public_key[GV_SIGN_KEY_LEN])
{
	size_t private_len = GV_SIGN_KEY_LEN, public_len = GV_SIGN_KEY_LEN;
	EVP_PKEY *key;
	bool ok;

	ERR_set_mark();
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	ok = key &&
	     EVP_PKEY_get_raw_private_key(key, private_key, &private_len) ==
		     1 &&
	     EVP_PKEY_get_raw_public_key(key, public_key, &public_len) == 1;
	EVP_PKEY_free(key);
	if (!ok)
		gv_wipe(public_key, GV_SIGN_KEY_LEN);
	return finish(ok, private_key, GV_SIGN_KEY_LEN);
}

bool gv_sign(const uint8_t private_key[GV_SIGN_KEY_LEN], const void *data,
	     size_t len, uint8_t signature[GV_SIGNATURE_LEN])
{
	size_t signature_len = GV_SIGNATURE_LEN;
	EVP_MD_CTX *ctx;
	EVP_PKEY *key;
	bool ok;

	ERR_set_mark();
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key,
					   GV_SIGN_KEY_LEN);
	ctx = EVP_MD_CTX_new();
	ok = key && ctx &&
	     EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
	     EVP_DigestSign(ctx, signature, &signature_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return finish(ok, signature, GV_SIGNATURE_LEN);
}

bool gv_verify(const uint8_t public_key[GV_SIGN_KEY_LEN], const void *data,
	       size_t len, const uint8_t signature[GV_SIGNATURE_LEN])
{
	EVP_MD_CTX *ctx;
	EVP_PKEY *key;
	bool ok;

	ERR_set_mark();
	key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key,
					  GV_SIGN_KEY_LEN);
	ctx = EVP_MD_CTX_new();
	ok = key && ctx &&
	     EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
	     EVP_DigestVerify(ctx, signature, GV_SIGNATURE_LEN, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_pop_to_mark();
	return ok;
}
