"""Sealed values, tokens, keyed hashes, passwords."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher

from site2crm.core import crypto
from site2crm.core.crypto import Unreadable, Vault

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_is_sealed_opens_again_and_only_in_its_row():
    vault = Vault(NEW)
    sealed = vault.seal(b"token", aad="connection:con_1")
    assert vault.open(sealed, aad="connection:con_1") == b"token"
    with pytest.raises(Unreadable):
        vault.open(sealed, aad="connection:con_2")


def test_the_sealed_form_names_version_and_key_and_never_repeats():
    vault = Vault(NEW)
    one, two = vault.seal(b"token", aad="a"), vault.seal(b"token", aad="a")
    version, key_id, nonce, ciphertext = one.split(":")
    assert (version, len(key_id), len(nonce)) == ("v1", 8, 16)
    assert two.split(":")[2:] != [nonce, ciphertext]
    assert "token" not in one


def test_a_previous_key_still_opens_and_seals_nothing_any_more():
    sealed = Vault(OLD).seal(b"token", aad="a")
    rotated = Vault(NEW, [OLD])
    assert rotated.open(sealed, aad="a") == b"token"
    assert rotated.seal(b"token", aad="a").split(":")[1] != sealed.split(":")[1]


def test_a_value_of_an_unknown_key_is_unreadable_and_says_so():
    with pytest.raises(Unreadable, match="previous_keys"):
        Vault(NEW).open(Vault(OLD).seal(b"token", aad="a"), aad="a")


@pytest.mark.parametrize("at", range(0, 60, 7))
def test_any_changed_character_makes_it_unreadable(at):
    vault = Vault(NEW)
    sealed = vault.seal(b"a longer secret value", aad="a")
    changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
    with pytest.raises(Unreadable):
        vault.open(changed, aad="a")


@pytest.mark.parametrize("text", ["", "v1", "v1:a:b", ":::", "v2:a:b:c", "v1:a:é:c", "v1:a:b:c:d"])
def test_what_was_never_sealed_is_unreadable(text):
    with pytest.raises(Unreadable):
        Vault(NEW).open(text, aad="a")


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(b"short")


def test_a_keyed_hash_depends_on_key_purpose_and_text():
    vault = Vault(NEW, [OLD])
    hashes = {
        vault.mac("erasure", "ab"),
        vault.mac("visitor", "ab"),
        vault.mac("erasureab", ""),
        Vault(OLD).mac("erasure", "ab"),
    }
    assert len(hashes) == 4
    assert vault.macs("erasure", "ab") == [vault.mac("erasure", "ab"), Vault(OLD).mac("erasure", "ab")]


def test_tokens_are_long_url_safe_and_different():
    tokens = {crypto.token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 43 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)
    assert len(crypto.digest("x")) == 64


async def test_a_password_is_verified_and_another_is_not():
    stored = await crypto.hash_password("correct horse")
    assert stored.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert await crypto.verify_password(stored, "correct horse")
    assert not await crypto.verify_password(stored, "wrong horse")
    assert not crypto.needs_rehash(stored)


async def test_composed_and_decomposed_letters_are_the_same_password():
    assert await crypto.verify_password(await crypto.hash_password("caf\u00e9 au lait"), "cafe\u0301 au lait")


async def test_half_a_character_is_a_wrong_password_and_no_crash():
    assert not await crypto.verify_password(None, "\ud800")


async def test_an_unknown_user_costs_a_verification_of_the_same_parameters(monkeypatch):
    seen = []
    monkeypatch.setattr(crypto, "_hasher", _Watching(seen))
    assert not await crypto.verify_password(None, "anything")
    assert not crypto.needs_rehash(seen[0])


async def test_old_parameters_need_a_rehash():
    assert crypto.needs_rehash(PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("x"))


async def test_a_guard_that_raises_forbids_slow_work():
    def guard() -> None:
        raise RuntimeError("a write transaction is open")

    crypto.guards.append(guard)
    try:
        with pytest.raises(RuntimeError, match="open"):
            await crypto.hash_password("x")
        with pytest.raises(RuntimeError, match="open"):
            await crypto.verify_password(None, "x")
    finally:
        crypto.guards.remove(guard)


async def test_two_passwords_at_a_time_and_not_on_the_event_loop(monkeypatch):
    watching = _Watching([])
    monkeypatch.setattr(crypto, "_hasher", watching)
    await asyncio.gather(*(crypto.verify_password(None, "x") for _ in range(6)))
    assert watching.most <= 2
    assert threading.main_thread().name not in watching.threads


class _Watching(PasswordHasher):
    """The real hasher, noting what runs at the same time."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__(time_cost=1, memory_cost=46 * 1024, parallelism=1, hash_len=32, salt_len=16)
        self.seen, self.threads, self.running, self.most, self.lock = seen, set(), 0, 0, threading.Lock()

    def verify(self, hash, password):
        self.seen.append(hash)
        self.threads.add(threading.current_thread().name)
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            return super().verify(hash, password)
        finally:
            with self.lock:
                self.running -= 1
