"""What a seal shows, and where: NĐ 30/2020 Annex I, Part I, II.8 (docs/seal.md)."""
