"""An exchange of our own that speaks Binance's USDT-M futures: to trade on without money, and to be as nasty as the real one in tests."""
