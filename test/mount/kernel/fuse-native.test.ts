import test from 'ava'
import { behavesLikeATransport } from '../contract.ts'

behavesLikeATransport(test, 'fuse-native', { timeStep: 1_000_000, noTimesBefore1970: true })
